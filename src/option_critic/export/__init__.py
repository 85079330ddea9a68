"""Agents and skills as graphs that run without this package: ONNX, or a program of torch.export."""

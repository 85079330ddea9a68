"""Steps within which the scripted expert succeeds, on nine of ten of the goals on which it does so at all.

Made by `python experiments/horizons.py`. Beside each task: on how many of 40 goals it succeeds, and its slowest.
"""

EXPERT_STEPS = {
    "assembly-v3": 95,  # 40, 97
    "basketball-v3": 99,  # 39, 114
    "bin-picking-v3": 138,  # 40, 197
    "box-close-v3": 130,  # 39, 151
    "button-press-v3": 62,  # 40, 64
    "button-press-topdown-v3": 73,  # 40, 75
    "button-press-topdown-wall-v3": 63,  # 40, 64
    "button-press-wall-v3": 69,  # 40, 71
    "coffee-button-v3": 41,  # 40, 43
    "coffee-pull-v3": 85,  # 40, 88
    "coffee-push-v3": 57,  # 40, 60
    "dial-turn-v3": 78,  # 40, 80
    "disassemble-v3": 195,  # 38, 235
    "door-close-v3": 76,  # 40, 77
    "door-lock-v3": 125,  # 40, 132
    "door-open-v3": 108,  # 39, 119
    "door-unlock-v3": 53,  # 40, 70
    "drawer-close-v3": 79,  # 40, 79
    "drawer-open-v3": 92,  # 40, 92
    "faucet-close-v3": 67,  # 40, 68
    "faucet-open-v3": 63,  # 40, 64
    "hammer-v3": 72,  # 40, 76
    "hand-insert-v3": 66,  # 40, 73
    "handle-press-v3": 41,  # 40, 48
    "handle-press-side-v3": 51,  # 40, 53
    "handle-pull-v3": 125,  # 40, 126
    "handle-pull-side-v3": 94,  # 40, 106
    "lever-pull-v3": 89,  # 40, 109
    "peg-insert-side-v3": 194,  # 38, 255
    "peg-unplug-side-v3": 163,  # 39, 168
    "pick-out-of-hole-v3": 125,  # 40, 128
    "pick-place-v3": 58,  # 40, 60
    "pick-place-wall-v3": 93,  # 39, 116
    "plate-slide-v3": 53,  # 40, 54
    "plate-slide-back-v3": 83,  # 40, 84
    "plate-slide-back-side-v3": 54,  # 40, 56
    "plate-slide-side-v3": 50,  # 40, 52
    "push-v3": 67,  # 40, 73
    "push-back-v3": 340,  # 39, 369
    "push-wall-v3": 87,  # 40, 89
    "reach-v3": 57,  # 40, 67
    "reach-wall-v3": 53,  # 40, 57
    "shelf-place-v3": 100,  # 36, 109
    "soccer-v3": 108,  # 36, 116
    "stick-pull-v3": 167,  # 37, 220
    "stick-push-v3": 78,  # 40, 81
    "sweep-v3": 99,  # 40, 107
    "sweep-into-v3": 62,  # 35, 66
    "window-close-v3": 85,  # 40, 88
    "window-open-v3": 93,  # 40, 96
}

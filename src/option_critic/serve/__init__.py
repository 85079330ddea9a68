"""Options as tools of language models and other programs: an MCP server."""

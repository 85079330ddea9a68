"""The server: options as tools of the Model Context Protocol, on its official Python SDK."""

from __future__ import annotations

from typing import Annotated, Any

from mcp.server.mcpserver import Image, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import CallToolResult, TextContent, ToolAnnotations
from pydantic import Field, ValidationError

from option_critic import __version__
from option_critic.errors import InputError, RunError
from option_critic.planning.option_env import OptionEnv
from option_critic.serve.answers import Observation, Options, Ran
from option_critic.serve.episodes import MAX_STEPS, USUAL_STEPS, Episodes
from option_critic.serve.one_thread import OneThread
from option_critic.serve.picture import png
from option_critic.value_types import nearest

INSTRUCTIONS = (
    "You act in {env} by running options: skills that each do a part of the task until they end by themselves. Look "
    "with observe and options, then call run_option with one of those that may start, look at what changed, and choose "
    "the next; reset begins another episode. All calls act on one environment, one after the other."
)
CLOSE_SECONDS = 3.0


class OptionServer(MCPServer[Any]):
    """Options in an environment, as four tools. What is wrong with a call is one sentence for who made it."""

    def __init__(self, env: OptionEnv, name: str) -> None:
        """`name`: of the environment, in the instructions."""
        instructions = INSTRUCTIONS.format(env=name)
        super().__init__("option-critic", instructions=instructions, version=__version__, log_level="ERROR")
        self.episodes, self.thread = Episodes(env), OneThread()
        looks = ToolAnnotations(read_only_hint=True)
        for tool, hints in ((self.observe, looks), (self.options, looks), (self.run_option, None), (self.reset, None)):
            self.add_tool(tool, annotations=hints)

    async def observe(
        self, image: Annotated[bool, Field(description="Whether a picture (PNG) is wanted too.")] = False
    ) -> Annotated[CallToolResult, Observation]:
        """Look: the named quantities of what is observed now, and where the episode stands. Costs no step."""
        found = await self.thread.run(self.episodes.observe)
        content: list[Any] = [TextContent(type="text", text=found.model_dump_json(indent=2))]
        if image:
            picture = await self.thread.run(lambda: png(self.episodes.env))
            content.append(Image(data=picture, format="png").to_image_content())
        return CallToolResult(content=content, structured_content=found.model_dump(mode="json"))

    async def options(self) -> Options:
        """List the options: what each is for, whether it may start now, and when it ends. Costs no step."""
        return await self.thread.run(self.episodes.options)

    async def run_option(
        self,
        name: Annotated[str, Field(description="Name of an option; `options` lists them.")],
        max_steps: Annotated[
            int, Field(description=f"Steps of the environment after which it is interrupted, 1 to {MAX_STEPS}.")
        ] = USUAL_STEPS,
    ) -> Ran:
        """Run an option until it ends by itself (or after max_steps, or with the episode), and tell what it did: steps,
        reward, why it ended, which quantities changed, whether the task is solved. Choose one of `may_start`."""
        return await self.thread.run(lambda: self.episodes.run(name, max_steps))

    async def reset(
        self,
        goal: Annotated[
            int | None, Field(description="Number of the goal, from 0 on, where goals have numbers; null: the next.")
        ] = None,
        seed: Annotated[int | None, Field(description="Seed of the environment; null: chance.")] = None,
    ) -> Observation:
        """Begin another episode, and look. What the present one has reached is gone."""
        return await self.thread.run(lambda: self.episodes.reset(goal, seed))

    def close(self) -> None:
        """Close the environment; one that does not answer is left."""
        self.thread.last(self.episodes.close, CLOSE_SECONDS)

    async def call_tool(self, name: str, arguments: dict[str, Any], context: Any = None) -> Any:
        """Answer a call. Raises ToolError, which the SDK answers as an error of the tool, in one sentence."""
        try:
            await self._check(name, arguments)
            return await super().call_tool(name, arguments, context)
        except ToolError as error:
            raise ToolError(sentence(name, error)) from error.__cause__

    async def _check(self, name: str, arguments: dict[str, Any]) -> None:
        """The SDK would drop an argument that there is none of."""
        known = {tool.name: list(tool.input_schema["properties"]) for tool in await self.list_tools()}
        if name not in known:
            raise ToolError(f"there is no tool {name!r:.80}: there are {', '.join(known)}.{nearest(name, known)}")
        for argument in arguments:
            if argument not in known[name]:
                takes = ", ".join(known[name]) or "no arguments"
                raise ToolError(f"{name} has no argument {argument!r:.80}: it takes {takes}")


def sentence(tool: str, error: ToolError) -> str:
    """What went wrong, in one line."""
    cause = error.__cause__
    if isinstance(cause, ValidationError):
        first = cause.errors()[0]
        return one_line(f"{'.'.join(map(str, first['loc']))} of {tool} is not valid: {first['msg']}")
    if isinstance(cause, InputError | RunError):
        return one_line(f"{cause}")
    if cause is None or isinstance(cause, ToolError):
        return one_line(f"{error}")
    return one_line(f"the environment failed ({type(cause).__name__}: {cause}); call reset")


def one_line(text: str) -> str:
    """A sentence of anybody's."""
    return " ".join(text.split())[:1000]

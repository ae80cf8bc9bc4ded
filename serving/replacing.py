"""Another policy while it serves: made and warmed up beside the loop, taken between two batches."""

import asyncio

from journal.live_notes import note
from policies.errors import one_line
from policies.policy import Policy
from serving.app import App, warm
from serving.policy_file import PolicyFile


class Replacing:
    """What SIGHUP asks for. Whatever fails, the policy that serves goes on serving."""

    def __init__(self, app: App, file: PolicyFile) -> None:
        self._app, self._file = app, file
        self._task: asyncio.Task[None] | None = None
        self._again = False

    def asked(self) -> None:
        """Reads the file again; asked meanwhile, once more after that."""
        if self._task is not None and not self._task.done():
            self._again = True
            return
        self._task = asyncio.get_running_loop().create_task(self._replace())

    def catch_up(self) -> None:
        """With what was said since the file was read, before anybody could heed it."""
        if self._file.is_changed:
            self.asked()

    async def _replace(self) -> None:
        self._again = True
        while self._again:
            self._again = False
            try:
                # in a thread: a kernel that is not compiled yet takes seconds
                version, policy = await asyncio.to_thread(self._made)
            except (Exception, SystemExit) as error:  # one's own module may raise anything
                said = one_line(str(error))
                note("policy_not_replaced", message=said, kind=type(error).__name__)
            else:
                self._app.take(policy)
                note("policy_replaced", policy=self._app.name, version=version)

    def _made(self) -> tuple[str, Policy]:
        champion, policy = self._file.read()
        warm(policy)
        return champion.version, policy

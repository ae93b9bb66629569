"""bug: what the museum keeps of one bug, and the task that most of its stories share."""

from dataclasses import dataclass

from kit.gfp import GFP_KERNEL
from kit.machine.explore import explore


@dataclass(frozen=True)
class Bug:
    """A bug: `had()` and `mended()` make its stories; `verdict` is the harm that the first one shows."""

    name: str
    record: str
    model: str
    verdict: str
    had: object
    mended: object
    left: str = "none"      # what the mended form still shows

    def explored(self):
        """Both results, as it was and as it was mended.  KeyboardInterrupt if one was broken off."""
        results = explore(self.had()), explore(self.mended())
        if any(result.interrupted for result in results):
            raise KeyboardInterrupt
        return results


async def takes_and_gives(pool, gfp=GFP_KERNEL):
    """The task that most of the stories are about: an element, and back."""
    await pool.free(await pool.alloc(gfp))

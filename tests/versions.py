"""Whether what was written to a page reaches a disk: the version of each page in memory, on its way, and on a disk.

    versions = Versions(story)      from now on: AssertionError when a page is dropped that no disk has
    versions.check()                whatever is neither dirty nor under write-out is on a disk
"""

from collections import Counter

from kit.drivers.bio import Bio


class Versions:
    """Watches a Pressure story; a bio carries the version that its page had when its write-out began."""

    def __init__(self, story):
        self.cache, self.latest, self.on_disk, self.under_way = story.cache, Counter(), Counter(), {}
        self.serves = story.setting.fails
        self.dirty_page, self.writepage, self.end_write, self.forget = (
            story.cache.dirty_page, story.cache.writepage, story.cache.end_write, story.cache._forget)
        story.cache.dirty_page, story.cache.writepage = self.change, self.begin
        story.cache.end_write, story.cache._forget = self.end, self.drop
        for disk in story.disks:
            disk.fails = self.serve

    async def change(self, page):
        await self.dirty_page(page)
        self.latest[page.key] += 1

    async def begin(self, page):
        assert page.key not in self.under_way, f"{page} is written twice at once"
        self.under_way[page.key] = self.latest[page.key]
        await self.writepage(page)

    async def end(self, page, failed=False):
        await self.end_write(page, failed)
        del self.under_way[page.key]

    def serve(self, bio):
        """A disk has served `bio`: unless it failed, what the bio was made for is on disk."""
        failed = self.serves(bio)
        while isinstance(bio, Bio):
            bio = getattr(bio.owner, "bio", bio.owner)
        if hasattr(bio, "key"):         # a page of the cache, then, and not somebody's own
            assert bio.key in self.under_way, f"a disk serves a write of {bio} that is over"
            if not failed:
                self.on_disk[bio.key] = self.under_way[bio.key]
        return failed

    def drop(self, page):
        assert self.on_disk[page.key] == self.latest[page.key], f"{page} is dropped, and its last change is on no disk"
        self.forget(page)

    def check(self):
        """What counts as clean is on a disk."""
        for page in self.cache.cached.values():
            assert page.dirty or page.writing or self.on_disk[page.key] == self.latest[page.key], (
                f"{page} counts as clean, and its last change is on no disk")

"""The wrong spellings in a real Jupyter kernel: one sentence each, no traceback, nothing on stderr."""

import pytest
from spellings import CELLS, SETUP

pytestmark = pytest.mark.slow
manager = pytest.importorskip("jupyter_client.manager")


@pytest.fixture(scope="module")
def kernel():
    """A running kernel: run(cell) gives what it sent back."""
    kernel, client = manager.start_new_kernel(kernel_name="python3")

    def run(cell):
        sent = []
        client.execute_interactive(cell, timeout=60, output_hook=sent.append, allow_stdin=False)
        return [message["content"] for message in sent if message["msg_type"] in ("stream", "error", "execute_result")]

    yield run
    client.stop_channels()
    kernel.shutdown_kernel(now=True)


@pytest.mark.parametrize("shape", CELLS)
def test_a_wrong_spelling_gets_its_sentence_alone(kernel, shape):
    cell, sentence = CELLS[shape]
    assert kernel(SETUP) == []
    error, = kernel(cell)
    assert error["traceback"] == [sentence]
    assert f"{error['ename']}: {error['evalue']}" == sentence
    assert kernel("import gc; del run, pool, empty; _ = gc.collect()") == []

# SPDX-License-Identifier: BSD-3-Clause
"""Every transcript, with larderd and with the memcached it has to be like."""

import pytest
import transcript

FILES = sorted(transcript.HERE.glob("*/*.txt"))


def test_there_are_transcripts():
    assert len(FILES) >= 60


@pytest.mark.parametrize("server", ["larderd", pytest.param("peer", marks=pytest.mark.peer)])
@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_transcript(path, server):
    transcript.run(path, server)

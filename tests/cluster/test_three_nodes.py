"""Three daemons as one, without Ray: any of them answers any URL, and one may die, freeze or be cut off."""

from __future__ import annotations

import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from machines import Machines, until
from streams import SOURCES, stream

from hls_sessions.testing import Clip, make

SEGMENT = "/video-copy/{}.m4s"


@pytest.fixture(scope="module")
def film(hls_clip_folder):
    return make(Clip(seconds=60, size="160x90", gop=50, pixels="yuv420p"), hls_clip_folder)


@pytest.fixture(scope="module")
def machines(film, tmp_path_factory):
    machines = Machines(film.parent, tmp_path_factory.mktemp("machines"))
    yield machines
    machines.close()


@pytest.fixture
def viewing(machines, film, request):
    return machines.open("a", film.name, user=request.node.name)


class TestAnyNode:
    def test_answers_for_a_session_of_any_other(self, machines, viewing):
        for path in ("/master.m3u8", "/video-copy/index.m3u8", "/video-copy/init.mp4", SEGMENT.format(2)):
            answers = {viewing.get(node, path).content for node in machines.nodes}
            assert len(answers) == 1, path

    def test_gives_each_header_once(self, machines, viewing):
        for node in machines.nodes:
            answer = machines.ask(node, f"/sessions/{viewing.id}{SEGMENT.format(1)}", headers={"Origin": "http://tv"})
            names = [name.lower() for name, _ in answer.headers.raw]
            assert len(names) == len(set(names)), names

    def test_says_which_node_has_a_session(self, machines, viewing):
        assert len({viewing.owner(node) for node in machines.nodes}) == 1

    def test_lists_the_sessions_of_all(self, machines, viewing):
        assert [len(viewing.listed(node)) for node in machines.nodes] == [1, 1, 1]

    def test_names_the_node_of_each_session_in_a_list(self, machines, viewing):
        command = [sys.executable, "-m", "hls_sessions", "list", "--token", "token"]
        command += ["--url", machines.nodes["b"].url]
        head, *rows = subprocess.run(
            command, check=True, capture_output=True, text=True, timeout=60
        ).stdout.splitlines()

        assert head.split()[-1] == "NODE"
        assert [row.split()[-1] for row in rows if viewing.id in row] == [viewing.owner("a")]

    def test_returns_the_session_that_a_user_has_of_a_film(self, machines, film, viewing, request):
        again = [machines.open(node, film.name, user=request.node.name) for node in machines.nodes]

        assert {one.id for one in again} == {viewing.id}

    def test_takes_commands_for_a_session_of_any(self, machines, viewing):
        for node in machines.nodes:
            assert machines.ask(node, f"/sessions/{viewing.id}/pause", "POST").status_code == 200
            assert machines.ask(node, f"/sessions/{viewing.id}/resume", "POST").status_code == 200
            told = {"expires_in": 60}
            assert machines.ask(node, f"/sessions/{viewing.id}/links", "POST", json=told).status_code == 201
        other = machines.others(viewing.owner("a"))[0]

        assert machines.ask(other, f"/sessions/{viewing.id}", "DELETE").status_code == 204
        assert {viewing.get(node).status_code for node in machines.nodes} == {404}

    def test_answers_what_nodes_ask_each_other_to_nodes_alone(self, machines):
        assert machines.ask("a", "/cluster/alive").status_code == 403

    def test_says_that_there_is_no_session_of_an_id(self, machines):
        assert machines.ask("a", "/sessions/7f3a/master.m3u8").status_code == 404


class TestWhenTheOwnerIsLost:
    def watch_while(self, machines, viewing, befalls):
        """Ask another node for a segment of a session whose owner something befalls; return both nodes."""
        owner = viewing.owner("a")
        ingress = machines.others(owner)[0]
        assert viewing.get(ingress, SEGMENT.format(3)).status_code == 200
        befalls(machines.nodes[owner])
        for number in (20, 21, 4):
            assert viewing.get(ingress, SEGMENT.format(number)).status_code == 200
        assert viewing.owner(ingress) != owner
        return machines.nodes[owner], ingress

    def test_a_viewer_gets_the_segment_from_another_when_it_is_killed(self, machines, viewing):
        node, ingress = self.watch_while(machines, viewing, lambda node: node.kill())

        node.start()
        until(lambda: node.name in machines.seen_by(ingress))
        assert viewing.listed(node.name) == [viewing.owner(ingress)]

    def test_a_viewer_gets_the_segment_from_another_when_it_is_stopped(self, machines, viewing):
        node, ingress = self.watch_while(machines, viewing, lambda node: node.stop())

        node.start()
        until(lambda: node.name in machines.seen_by(ingress))
        until(lambda: viewing.listed(node.name) == [viewing.owner(ingress)])

    def test_a_viewer_gets_the_segment_from_another_when_it_is_frozen(self, machines, viewing):
        node, ingress = self.watch_while(machines, viewing, lambda node: node.signal(signal.SIGSTOP))

        node.signal(signal.SIGCONT)
        until(lambda: viewing.listed(node.name) == [viewing.owner(ingress)])

    def test_a_viewer_gets_the_segment_from_another_when_it_is_cut_off(self, machines, viewing):
        node, ingress = self.watch_while(machines, viewing, lambda node: node.cut())

        node.cut(False)
        until(lambda: viewing.listed(ingress) == [viewing.owner(ingress)])

    def test_a_request_that_waits_goes_on_at_another(self, machines, viewing):
        owner = viewing.owner("a")
        ingress = machines.others(owner)[0]
        machines.nodes[owner].signal(signal.SIGSTOP)
        with ThreadPoolExecutor(1) as viewers:
            waiting = viewers.submit(viewing.get, ingress, SEGMENT.format(15))
            machines.nodes[owner].kill()
            assert waiting.result().status_code == 200

        machines.nodes[owner].start()
        until(lambda: owner in machines.seen_by(ingress))


class TestADrainedNode:
    def test_gives_its_sessions_away_and_goes_on_answering(self, machines, viewing):
        owner = viewing.owner("a")
        assert viewing.get(owner, SEGMENT.format(1)).status_code == 200
        assert machines.ask("a", f"/nodes/{owner}/drain", "POST").status_code == 204

        until(lambda: viewing.owner("a") != owner)

        assert viewing.get(owner, SEGMENT.format(2)).status_code == 200
        machines.ask("a", f"/nodes/{owner}/drain", "DELETE")

    def test_is_one_of_the_cluster(self, machines):
        assert machines.ask("a", "/nodes/nowhere/drain", "POST").json()["type"] == "/problems/node-not-found"


class TestWithoutTheDirectory:
    @pytest.fixture
    def viewing(self, machines, film, request):
        """Return a session that every node knows, with the directory killed; it is started again after the test."""
        viewing = machines.open("a", film.name, user=request.node.name)
        until(lambda: all(viewing.get(node).status_code == 200 for node in machines.nodes))
        machines.directory.kill()
        yield viewing
        machines.directory.start()
        until(lambda: all(len(machines.seen_by(node)) == 3 for node in machines.nodes))

    def test_a_session_goes_on_and_is_taken_over(self, machines, viewing):
        owner = viewing.owner("a")
        ingress = machines.others(owner)[0]
        machines.nodes[owner].kill()

        assert viewing.get(ingress, SEGMENT.format(9)).status_code == 200

        machines.nodes[owner].start()

    def test_a_new_session_is_opened_and_any_node_answers_for_it(self, machines, film, viewing):
        new = machines.open("b", film.name)

        assert {new.get(node, SEGMENT.format(0)).status_code for node in machines.nodes} == {200}


class TestARecording:
    def test_is_watched_at_any_node_while_its_own_is_there(self, machines, tmp_path):
        recording = machines.ask("a", "/live", "POST", json={"mime": "video/x-matroska"}).json()
        token = {"Authorization": f"Bearer {recording['input_token']}"}
        content = stream(tmp_path, SOURCES["H.264 and AAC in Matroska"])
        put = machines.ask("a", recording["input_url"], "PUT", content=content, headers=token)
        assert put.status_code == 200, put.text

        playlists = {machines.ask(node, recording["playlist_url"]).text for node in machines.nodes}

        assert len(playlists) == 1
        assert "#EXTM3U" in playlists.pop()

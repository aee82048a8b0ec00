"""HTTPS and HTTP/2, which the daemon speaks itself."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess

import httpx
import pytest
from certificate import make_certificate
from h2.connection import H2Connection
from httpx_sse import connect_sse
from typer.testing import CliRunner
from websockets.sync.client import connect

from hls_sessions.cli import app
from hls_sessions.cli.exits import Exit


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="module")
def trust(files):
    return ssl.create_default_context(cafile=files[0])


@pytest.fixture(scope="module")
def secure(share_daemon, files):
    """A daemon with a certificate, for all tests of this file."""
    with share_daemon(HLS_SESSIONS_TLS_CERTIFICATE=str(files[0]), HLS_SESSIONS_TLS_KEY=str(files[1])) as daemon:
        yield daemon


@pytest.fixture
def client(secure, trust):
    with httpx.Client(base_url=secure.url, http2=True, verify=trust, trust_env=False, timeout=60) as client:
        yield client


def test_a_viewer_has_playlists_segments_and_heartbeats_over_http_2(secure, client, hls_clip):
    session = secure.open(hls_clip())
    base, rendition = session["playlist_url"].rpartition("/")[0], session["renditions"][0]["id"]

    answers = [client.get(session["playlist_url"]), client.get(f"{base}/{rendition}/1.m4s")]
    answers.append(client.post(f"{base}/heartbeat"))

    assert secure.url.startswith("https://")
    assert [(answer.http_version, answer.status_code) for answer in answers] == [
        ("HTTP/2", 200),
        ("HTTP/2", 200),
        ("HTTP/2", 204),
    ]


def test_a_client_that_knows_http_1_alone_is_served(secure, trust):
    with httpx.Client(base_url=secure.url, verify=trust, trust_env=False) as client:
        assert client.get("/health").http_version == "HTTP/1.1"


def test_more_listen_to_events_on_one_connection_than_a_browser_opens_to_a_server(secure, client, hls_clip):
    session = secure.open(hls_clip())
    path = f"/sessions/{session['session_id']}/events"

    with connect_sse(client, "GET", path) as first:
        listening = [client.build_request("GET", path) for _ in range(7)]
        streams = [client.send(request, stream=True) for request in listening]
        info = client.get(f"/sessions/{session['session_id']}").json()
        for stream in streams:
            stream.close()

    assert first.response.http_version == "HTTP/2"
    assert info["subscriber_count"] == 8


def test_a_viewer_who_gives_one_request_up_is_waited_for_no_more(hls_daemon, files, hls_clip, hls_fake_ffmpeg, until):
    stalls = hls_fake_ffmpeg(stall_after=0)
    daemon = hls_daemon(tls_certificate=files[0], tls_key=files[1], ffmpeg=stalls, copy_streams=False)
    session = daemon.open(hls_clip())
    base = f"/sessions/{session['session_id']}"

    def waiting():
        return daemon.http.get(base).json()["viewers_waiting"]

    trust = ssl.create_default_context(cafile=files[0])
    trust.set_alpn_protocols(["h2"])
    host, _, port = daemon.url.removeprefix("https://").partition(":")
    viewer = H2Connection()
    viewer.initiate_connection()
    asked = {
        ":method": "GET",
        ":scheme": "https",
        ":authority": host,
        ":path": f"{base}/{session['renditions'][0]['id']}/0.m4s",
    }
    viewer.send_headers(1, list(asked.items()), end_stream=True)
    with trust.wrap_socket(socket.create_connection((host, int(port)), 30), server_hostname=host) as connection:
        connection.sendall(viewer.data_to_send())
        until(lambda: waiting() == 1)
        viewer.reset_stream(1)
        connection.sendall(viewer.data_to_send())
        until(lambda: waiting() == 0)


def test_a_recording_may_arrive_over_a_websocket_all_the_same(secure, trust):
    recording = secure.http.post("/live", json={"title": "garden"}).json()
    url = f"{secure.url}{recording['input_url']}?token={recording['input_token']}".replace("https", "wss")

    with connect(url, ssl=trust) as socket:
        socket.send(json.dumps({"type": "start"}))
        assert json.loads(socket.recv(30))["type"] == "started"
    secure.http.delete(f"/recordings/{recording['session_id']}")


def test_the_commands_of_this_machine_trust_its_own_certificate_and_no_other(secure, files, monkeypatch, tmp_path):
    monkeypatch.setenv("HLS_SESSIONS_PORT", secure.url.rpartition(":")[2])
    monkeypatch.setenv("HLS_SESSIONS_TLS_CERTIFICATE", str(files[0]))
    asked = CliRunner().invoke(app, ["health", "--json"])
    assert (asked.exit_code, json.loads(asked.stdout)["status"]) == (Exit.OK, "healthy")

    monkeypatch.setenv("HLS_SESSIONS_TLS_CERTIFICATE", str(make_certificate(tmp_path)[0]))
    refused = CliRunner().invoke(app, ["health"])
    assert (refused.exit_code, "CERTIFICATE_VERIFY_FAILED" in refused.stderr) == (Exit.NO_DAEMON, True)

    monkeypatch.setenv("HLS_SESSIONS_TLS_CERTIFICATE", str(tmp_path / "missing"))
    missing = CliRunner().invoke(app, ["health"])
    assert (missing.exit_code, "The certificate of the daemon cannot be read" in missing.stderr) == (Exit.USAGE, True)


def test_a_client_that_speaks_no_tls_gets_no_answer(secure):
    address = secure.url.removeprefix("https://").split(":")
    with socket.create_connection((address[0], int(address[1])), 30) as plain:
        plain.sendall(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert not plain.recv(100).startswith(b"HTTP")


# Certificates that cannot be used


def spoilt(which):
    def spoil(files, folder):
        return [folder / "missing.pem" if place == which else file for place, file in enumerate(files)]

    return spoil


def other_key(files, folder):
    return files[0], make_certificate(folder)[1]


def with_password(files, folder):
    key = folder / "locked.pem"
    command = ["openssl", "ec", "-in", str(files[1]), "-aes128", "-passout", "pass:secret", "-out", str(key)]
    subprocess.run(command, check=True, capture_output=True)
    return files[0], key


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (spoilt(0), "No such file or directory"),
        (spoilt(1), "No such file or directory"),
        (other_key, "key values mismatch"),
        (with_password, "are no certificate and key"),
        (lambda files, _: (files[0], None), "tls_certificate and tls_key are set together"),
        (lambda files, _: (None, files[1]), "tls_certificate and tls_key are set together"),
    ],
    ids=["no certificate", "no key", "another key", "a locked key", "a certificate alone", "a key alone"],
)
def test_a_daemon_does_not_start_with(files, tmp_path, monkeypatch, spoil, why):
    for name, file in zip(("CERTIFICATE", "KEY"), spoil(files, tmp_path), strict=True):
        if file is not None:
            monkeypatch.setenv(f"HLS_SESSIONS_TLS_{name}", str(file))
    options = ["--media", str(tmp_path), "--port", "0", "--segments-dir", str(tmp_path / "segments")]
    served = CliRunner().invoke(app, ["serve", *options, "--state-dir", str(tmp_path / "state")])

    assert served.exit_code == Exit.FAILED
    assert why in served.stderr

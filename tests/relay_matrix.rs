//! The matrix: everything a kiosk's login at a hardened relay may and may not do, asked of a real sshd
//! with our SSH library and with the OpenSSH client, a sentence a row. What it is for is in
//! relay_calls.rs.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::hardened::{Server, snapshot};
use common::kiosk::LIMIT;
use common::rogue::Gullible;
use russh::ChannelMsg;
use russh::client::{self, Handle};
use russh::keys::PrivateKeyWithHashAlg;
use ssh_key::LineEnding;
use twocan::identity::Identity;
use twocan::meeting::{MeetingPoint, Ticket};

/// What every socket and port of the matrix says to whoever reaches it.
const HI: &[u8] = b"hi";

/// Anna may call Bert and be called by him; Carla is nobody's contact.
struct World {
    server: Server,
    anna: Identity,
    points: Vec<MeetingPoint>,
    port: u16,
}

fn greet_all(incoming: impl Iterator<Item = std::io::Result<impl Write>>) {
    for mut stream in incoming.flatten() {
        // Who hung up is not greeted.
        let _ = stream.write_all(HI);
    }
}

fn say_hi_at(path: &Path, owner: u32, group: u32) {
    let listener = UnixListener::bind(path).unwrap();
    chown(path, Some(owner), Some(group)).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o660)).unwrap();
    let named = std::thread::Builder::new().name("hi".to_owned());
    named.spawn(move || greet_all(listener.incoming())).unwrap();
}

impl World {
    fn new() -> World {
        let server = Server::hardened();
        let people: Vec<Identity> = (0..3).map(|_| Identity::generate()).collect();
        let names = ["anna", "bert", "carla"];
        let points = names.iter().zip(&people).map(|(name, who)| server.enrolled(name, who));
        let points = points.collect();
        server.relay(&["pair", "anna", "bert", "--yes"]);
        for name in names {
            let folder = server.at("run/twocan-relay").join(name);
            let owner = fs::metadata(&folder).unwrap().uid();
            for socket in ["voice.sock", "video.sock", "other.sock"] {
                say_hi_at(&folder.join(socket), owner, owner);
            }
        }
        let pairing = server.at("run/twocan-relay/pair");
        let all = fs::metadata(&pairing).unwrap().gid();
        let bert = fs::metadata(server.at("run/twocan-relay/bert")).unwrap().uid();
        for socket in ["3.sock", "other.sock"] {
            say_hi_at(&pairing.join(socket), bert, all);
        }
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let named = std::thread::Builder::new().name("hi".to_owned());
        named.spawn(move || greet_all(listener.incoming())).unwrap();
        World { server, anna: people.into_iter().next().unwrap(), points, port }
    }
}

async fn try_login(port: u16, user: &str, who: &Identity) -> Option<Handle<Gullible>> {
    let mut handle = client::connect(Arc::default(), ("127.0.0.1", port), Gullible).await.unwrap();
    let key = PrivateKeyWithHashAlg::new(Arc::new(who.private_key().clone()), None);
    let result = handle.authenticate_publickey(user, key).await.unwrap();
    result.success().then_some(handle)
}

async fn log_in(port: u16, user: &str, who: &Identity) -> Handle<Gullible> {
    try_login(port, user, who).await.expect("this one is let in")
}

/// What comes out of a session, and whether it ended well.
async fn output(mut channel: russh::Channel<client::Msg>) -> (Vec<u8>, bool) {
    let (mut said, mut well) = (Vec::new(), false);
    let all = async {
        while let Some(message) = channel.wait().await {
            match message {
                ChannelMsg::Data { data } => said.extend_from_slice(&data),
                ChannelMsg::ExitStatus { exit_status } => well = exit_status == 0,
                ChannelMsg::Close | ChannelMsg::Failure => break,
                _ => {}
            }
        }
    };
    tokio::time::timeout(LIMIT, all).await.expect("sessions end");
    (said, well)
}

async fn answer(mut channel: russh::Channel<client::Msg>) -> bool {
    loop {
        match tokio::time::timeout(LIMIT, channel.wait()).await.expect("requests are answered") {
            Some(ChannelMsg::Success) => return true,
            Some(ChannelMsg::Failure | ChannelMsg::Close) | None => return false,
            Some(_) => {}
        }
    }
}

/// Rows that came out otherwise than they should.
#[derive(Default)]
struct Rows {
    count: usize,
    wrong: Vec<String>,
}

impl Rows {
    fn row(&mut self, sentence: &str, is: bool, should: bool) {
        self.count += 1;
        if is != should {
            let word = if is { "allowed" } else { "refused" };
            self.wrong.push(format!("{sentence}: {word}"));
        }
    }

    #[track_caller]
    fn end(self) {
        assert!(self.wrong.is_empty(), "\n{}", self.wrong.join("\n"));
        println!("{} rows", self.count);
    }
}

fn wait_for<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.unwrap().block_on(work)
}

#[test]
fn our_own_client_can_do_what_a_kiosk_needs_and_nothing_else() {
    let world = World::new();
    wait_for(ask_everything(&world));
}

async fn ask_everything(world: &World) {
    let outside = tempfile::tempdir().unwrap();
    let outside = outside.path().join("x.sock").display().to_string();
    let server = &world.server;
    let before = ["etc", "tmp"].map(|folder| (server.at(folder), snapshot(&server.at(folder))));
    let login = || log_in(server.port, "kiosk-anna", &world.anna);
    let mut rows = Rows::default();

    let anna = login().await;
    for (sentence, path, should) in [
        ("open her own voice socket, for the probe", "/anna/voice.sock", true),
        ("open her own video socket", "/anna/video.sock", true),
        ("open the voice socket of who lets her call", "/bert/voice.sock", true),
        ("open the video socket of who lets her call", "/bert/video.sock", true),
        ("open the voice socket of who doesn't", "/carla/voice.sock", false),
        ("open the video socket of who doesn't", "/carla/video.sock", false),
        ("open another socket of who lets her call", "/bert/other.sock", false),
        ("open another socket of her own", "/anna/other.sock", false),
        ("open the place where others wait to pair", "/pair/3.sock", true),
        ("open another socket beside it", "/pair/other.sock", false),
        ("open a socket by another name of it", "//bert/voice.sock", false),
        ("open a socket by way of ..", "/anna/../bert/voice.sock", false),
        ("open a socket by its path outside", "/run/twocan-relay/bert/voice.sock", false),
        ("open a relative path", "bert/voice.sock", false),
        ("open the system's bus", "/run/dbus/system_bus_socket", false),
        ("open a file", "/etc/passwd", false),
        ("open a folder", "/", false),
        ("open nothing", "", false),
        ("open a path outside of everything", &outside, false),
    ] {
        rows.row(sentence, anna.channel_open_direct_streamlocal(path).await.is_ok(), should);
    }
    for (sentence, host, port) in [
        ("open a TCP port of the relay by its address", "127.0.0.1", world.port),
        ("open a TCP port of the relay by its name", "localhost", world.port),
        ("open a TCP port of the relay by IPv6", "::1", world.port),
        ("open the relay's own sshd", "127.0.0.1", server.port),
        ("open a TCP port elsewhere", "192.0.2.1", 80),
        ("open a socket's path as a host", "/bert/voice.sock", 1),
        ("open any host", "*", world.port),
        ("open no host", "", world.port),
    ] {
        let opened = anna.channel_open_direct_tcpip(host, port.into(), "127.0.0.1", 0).await;
        rows.row(sentence, opened.is_ok(), false);
    }
    for (sentence, path, should) in [
        ("listen on her own voice socket", "/anna/voice.sock", true),
        ("listen on her own video socket", "/anna/video.sock", true),
        ("listen where she waits to pair", "/pair/0.sock", true),
        ("listen on the socket of who lets her call", "/bert/voice.sock", false),
        ("listen beside the socket of who lets her call", "/bert/new.sock", false),
        ("listen on the socket of a stranger", "/carla/voice.sock", false),
        ("listen at the root", "/new.sock", false),
        ("listen in /etc", "/etc/new.sock", false),
        ("listen in /tmp", "/tmp/new.sock", false),
        ("listen by way of ..", "/anna/../bert/new.sock", false),
        ("listen above the root", "/anna/../../../../tmp/new.sock", false),
        ("listen by the path outside", "/run/twocan-relay/anna/new.sock", false),
        ("listen on a relative path beside the folders", "new.sock", false),
        ("listen on a path outside of everything", &outside, false),
        // An empty path is one name outside of all folders, which PermitOpen keeps everybody from.
        ("listen on nothing", "", true),
    ] {
        rows.row(sentence, anna.streamlocal_forward(path).await.is_ok(), should);
    }
    for (sentence, address, port) in [
        ("listen on a TCP port of 127.0.0.1", "127.0.0.1", 0),
        ("listen on a TCP port of localhost", "localhost", 0),
        ("listen on a TCP port of every address", "0.0.0.0", 0),
        ("listen on a TCP port of no address", "", 0),
        ("listen on a TCP port of *", "*", 5010),
        ("listen on a TCP port of IPv6", "::1", 5010),
    ] {
        rows.row(sentence, anna.tcpip_forward(address, port).await.is_ok(), false);
    }
    let socket = fs::metadata(server.at("run/twocan-relay/anna/voice.sock")).unwrap();
    let folder = fs::metadata(server.at("run/twocan-relay/anna")).unwrap();
    assert_eq!(
        (socket.mode() & 0o777, socket.gid()),
        (0o660, folder.gid()),
        "for who may call her"
    );

    for request in ["exec", "shell", "sftp", "terminal", "X11", "agent", "relay enrol bert"] {
        let one = login().await;
        let channel = one.channel_open_session().await.unwrap();
        let worked = match request {
            "shell" => {
                channel.request_shell(true).await.unwrap();
                let (said, well) = output(channel).await;
                well || !said.is_empty()
            }
            "sftp" => {
                channel.request_subsystem(true, "sftp").await.unwrap();
                let (said, well) = output(channel).await;
                well || !said.is_empty()
            }
            "terminal" => {
                channel.request_pty(true, "xterm", 80, 24, 0, 0, &[]).await.unwrap();
                answer(channel).await
            }
            "X11" => {
                channel.request_x11(true, false, "MIT-MAGIC-COOKIE-1", "00", 0).await.unwrap();
                answer(channel).await
            }
            "agent" => {
                channel.agent_forward(true).await.unwrap();
                answer(channel).await
            }
            command => {
                channel.exec(true, if command == "exec" { "id" } else { command }).await.unwrap();
                let (said, well) = output(channel).await;
                well || !said.is_empty()
            }
        };
        rows.row(&format!("have {request}"), worked, false);
    }
    for user in ["kiosk-bert", "kiosk-nobody", "twocan-join-anna", "root", "nobody"] {
        let let_in = try_login(server.port, user, &world.anna).await.is_some();
        rows.row(&format!("log in as {user}"), let_in, false);
    }
    drop(anna);
    before.iter().for_each(|(folder, before)| before.assert_same(folder));
    rows.end();
}

#[tokio::test]
async fn a_ticket_opens_nothing_but_the_one_command() {
    let server = Server::hardened();
    let ticket: Ticket = server.add("anna");
    server.add("bert");
    let pair = ssh_key::private::Ed25519Keypair::from_seed(&ticket.seed);
    let key = ssh_key::PrivateKey::new(ssh_key::private::KeypairData::Ed25519(pair), "").unwrap();
    let once = Identity::from_private_key(key).unwrap();
    let login = || log_in(server.port, "twocan-join-anna", &once);
    let mut rows = Rows::default();
    let handle = login().await;
    let opens = ["/anna/voice.sock", "/run/twocan-relay/anna/voice.sock", "/etc/passwd"];
    for path in opens {
        let opened = handle.channel_open_direct_streamlocal(path).await.is_ok();
        rows.row(&format!("open {path}"), opened, false);
        let listens = handle.streamlocal_forward(path).await.is_ok();
        rows.row(&format!("listen on {path}"), listens, false);
    }
    let tcp = handle.channel_open_direct_tcpip("127.0.0.1", server.port.into(), "", 0).await;
    rows.row("open a TCP port", tcp.is_ok(), false);
    rows.row("listen on a TCP port", handle.tcpip_forward("127.0.0.1", 0).await.is_ok(), false);
    let channel = handle.channel_open_session().await.unwrap();
    channel.request_pty(true, "xterm", 80, 24, 0, 0, &[]).await.unwrap();
    rows.row("have a terminal", answer(channel).await, false);
    for user in ["kiosk-anna", "twocan-join-bert"] {
        let let_in = try_login(server.port, user, &once).await.is_some();
        rows.row(&format!("log in as {user}"), let_in, false);
    }

    // Whatever is asked for, the one command runs, for its own kiosk, and takes nothing but a key.
    let bert = server.at("etc/twocan-relay/keys/kiosk-bert");
    let long = "ssh-ed25519 ".to_owned() + &"A".repeat(10_000) + "\n";
    let option = format!("command=\"id\" {}\n", Identity::generate().public());
    for input in ["", "\n", "no key\n", "ssh-rsa AAAA\n", &long, &option] {
        let handle = login().await;
        let channel = handle.channel_open_session().await.unwrap();
        channel.exec(true, "relay enrol bert; id").await.unwrap();
        channel.data_bytes(input.as_bytes().to_vec()).await.unwrap();
        channel.eof().await.unwrap();
        let (said, well) = output(channel).await;
        let said = String::from_utf8(said).unwrap();
        assert!(!said.contains("uid="), "{said}");
        rows.row(&format!("bring {:.20?}", input), well, false);
    }
    let key = Identity::generate().public();
    let handle = login().await;
    let channel = handle.channel_open_session().await.unwrap();
    channel.exec(true, "relay enrol bert").await.unwrap();
    channel.data_bytes(format!("{key}\n").into_bytes()).await.unwrap();
    rows.row("bring its own kiosk's key", output(channel).await.1, true);
    rows.end();
    assert_eq!(fs::read_to_string(bert).unwrap(), "");
    let anna = fs::read_to_string(server.at("etc/twocan-relay/keys/kiosk-anna")).unwrap();
    assert!(anna.contains(&key.to_string()));
    assert!(try_login(server.port, "twocan-join-anna", &once).await.is_none(), "it is burnt");
}

/// The OpenSSH client as Anna's kiosk.
struct OpenSsh {
    folder: tempfile::TempDir,
    port: u16,
}

impl OpenSsh {
    fn new(world: &World) -> OpenSsh {
        let folder = tempfile::tempdir().unwrap();
        let key = world.anna.private_key().to_openssh(LineEnding::LF).unwrap();
        let path = folder.path().join("key");
        fs::write(&path, key.as_bytes()).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
        let known = format!("[127.0.0.1]:{} {}\n", world.server.port, world.points[0].host_key);
        fs::write(folder.path().join("known"), known).unwrap();
        OpenSsh { folder, port: world.server.port }
    }

    fn command(&self, user: &str, words: &[&str]) -> Command {
        let file = |name: &str| self.folder.path().join(name).display().to_string();
        let mut ssh = Command::new("ssh");
        ssh.args(["-F", "none", "-o", "BatchMode=yes", "-o", "ExitOnForwardFailure=yes"]);
        ssh.args(["-o", "StrictHostKeyChecking=yes", "-o", "IdentitiesOnly=yes"]);
        ssh.arg("-o").arg(format!("UserKnownHostsFile={}", file("known")));
        ssh.args(["-i", &file("key"), "-p", &self.port.to_string(), "-l", user]);
        ssh.args(words).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        ssh
    }

    fn run(&self, user: &str, words: &[&str]) -> Output {
        self.command(user, words).output().unwrap()
    }

    /// Forward a local port to `to`, and see whether somebody says hi there.
    fn reaches(&self, to: &str) -> bool {
        let local = twocan::cli::demo::sshd::free_port().unwrap();
        let forward = format!("127.0.0.1:{local}:{to}");
        let mut ssh = Running(
            self.command("kiosk-anna", &["-N", "-L", &forward, "127.0.0.1"]).spawn().unwrap(),
        );
        let limit = Instant::now() + LIMIT;
        let mut stream = loop {
            match TcpStream::connect(("127.0.0.1", local)) {
                Ok(stream) => break stream,
                Err(error) => {
                    assert!(ssh.0.try_wait().unwrap().is_none(), "ssh lives");
                    assert!(Instant::now() < limit, "{error}");
                    std::thread::sleep(Duration::from_millis(20));
                }
            }
        };
        heard_hi(&mut stream)
    }

    /// Have it listen for us at `there`: true if it does.
    fn listens(&self, there: &str, world: &World, socket: Option<&Path>) -> bool {
        let forward = format!("{there}:127.0.0.1:{}", world.port);
        let mut ssh = self.command("kiosk-anna", &["-v", "-N", "-R", &forward, "127.0.0.1"]);
        let mut ssh = Running(ssh.stderr(Stdio::null()).spawn().unwrap());
        let limit = Instant::now() + LIMIT;
        while ssh.0.try_wait().unwrap().is_none() {
            assert!(Instant::now() < limit, "it neither fails nor leads here");
            let stream = socket.and_then(|socket| UnixStream::connect(socket).ok());
            if stream.is_some_and(|mut stream| heard_hi(&mut stream)) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        false
    }
}

fn heard_hi(stream: &mut impl Read) -> bool {
    let mut heard = Vec::new();
    // A connection that is cut says as little as one that is closed.
    let _ = stream.read_to_end(&mut heard);
    heard == HI
}

/// A program that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_openssh_client_can_do_what_a_kiosk_needs_and_nothing_else() {
    let world = World::new();
    let ssh = OpenSsh::new(&world);
    let at = |folder: &str| world.server.at(folder);
    let before = ["etc", "tmp"].map(|folder| (at(folder), snapshot(&at(folder))));
    let mut rows = Rows::default();
    for (sentence, to, should) in [
        ("-L to the voice socket of who lets her call", "/bert/voice.sock".to_owned(), true),
        ("-L to her own", "/anna/voice.sock".to_owned(), true),
        ("-L to the voice socket of a stranger", "/carla/voice.sock".to_owned(), false),
        ("-L to another socket of Bert's", "/bert/other.sock".to_owned(), false),
        ("-L by way of ..", "/anna/../bert/voice.sock".to_owned(), false),
        ("-L to a TCP port of the relay", format!("127.0.0.1:{}", world.port), false),
        ("-L to a TCP port of localhost", format!("localhost:{}", world.port), false),
    ] {
        rows.row(sentence, ssh.reaches(&to), should);
    }
    for (sentence, words) in [
        ("run a command", vec!["127.0.0.1", "id"]),
        ("have a shell", vec!["127.0.0.1"]),
        ("have a shell with a terminal", vec!["-tt", "127.0.0.1"]),
        ("have sftp", vec!["-s", "127.0.0.1", "sftp"]),
    ] {
        let done = ssh.run("kiosk-anna", &words);
        rows.row(sentence, done.status.success() || !done.stdout.is_empty(), false);
    }
    let tcp = format!("127.0.0.1:{}", world.port);
    let done = ssh.run("kiosk-anna", &["-W", &tcp, "127.0.0.1"]);
    rows.row("-W to a TCP port", done.status.success() || !done.stdout.is_empty(), false);
    let done = ssh.run("kiosk-anna", &["-N", "-w", "any:any", "127.0.0.1"]);
    rows.row("-w: a tunnel device", done.status.success(), false);
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(said.contains("unnel"), "it was the device that was refused: {said}");
    for user in ["kiosk-bert", "twocan-join-anna", "root"] {
        let done = ssh.run(user, &["-N", "127.0.0.1"]);
        rows.row(&format!("log in as {user}"), done.status.success(), false);
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(said.contains("Permission denied"), "{said}");
    }
    let anna = world.server.at("run/twocan-relay/anna/voice.sock");
    // What lies there is an old one's: the new one takes its place.
    fs::remove_file(&anna).unwrap();
    drop(UnixListener::bind(&anna).unwrap());
    chown(&anna, Some(fs::metadata(anna.parent().unwrap()).unwrap().uid()), None).unwrap();
    rows.row("-R of her own socket", ssh.listens("/anna/voice.sock", &world, Some(&anna)), true);
    for (sentence, there) in [
        ("-R of Bert's socket", "/bert/voice.sock"),
        ("-R beside Bert's socket", "/bert/new.sock"),
        ("-R of a stranger's socket", "/carla/new.sock"),
        ("-R of a path in /etc", "/etc/new.sock"),
        ("-R above the root", "/../../tmp/new.sock"),
        ("-R of a TCP port", "5010"),
        ("-R of a TCP port of 127.0.0.1", "127.0.0.1:5010"),
        ("-R of a TCP port of localhost", "localhost:5010"),
        ("-R of a TCP port of every address", "*:5010"),
        ("-R of any TCP port", "0"),
    ] {
        rows.row(sentence, ssh.listens(there, &world, None), false);
    }
    before.iter().for_each(|(folder, before)| before.assert_same(folder));
    rows.end();
}

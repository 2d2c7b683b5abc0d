//! Unix-domain sockets: both ends are seen, belong together, and leave no byte in a recording.

use cardlink_e2e::{
    Result,
    agent::{Agent, command},
    place::{self, Place},
};
use cardlink_obs::{
    event::{Endpoint, Event, Origin},
    sink::recording::Recording,
};

/// A server that turns round what it is told, and its client, in one process each. The first is the parent.
const TALK: &str = r#"
import os, socket, sys
name = sys.argv[1]
if name.startswith("@"): name = "\0" + name[1:]
server = socket.socket(socket.AF_UNIX); server.bind(name); server.listen(8)
child = os.fork()
if child == 0:
    server.close()
    for _ in range(3):
        client = socket.socket(socket.AF_UNIX); client.connect(name)
        client.sendall(b"H" + b"secret-question" * 400)
        left = 6001
        while left: left -= len(client.recv(65536))
        client.close()
    os._exit(0)
for _ in range(3):
    connection, _ = server.accept()
    told = b""
    while len(told) < 6001: told += connection.recv(1000)
    connection.sendall(told[::-1]); connection.recv(1); connection.close()
os.waitpid(child, 0)
# Neither a pair nor a datagram socket is followed.
one, other = socket.socketpair(); one.sendall(b"H"); other.recv(1)
"#;

fn both_ends(name: impl Fn(&Place) -> String) -> Result {
    let place = Place::new()?;
    let (recording, name) = (place.path("recording"), name(&place));
    let mut run = command(&place)?;
    run.args(["run", "--listen", "127.0.0.1:0", "--record"]).arg(&recording).arg("--");
    run.arg(place::python()?).args(["-c", TALK, &name]);
    Agent::started(&mut run)?.program.success()?;

    let bytes = std::fs::read(&recording)?;
    assert!(!bytes.windows(8).any(|window| window == b"question" || window == b"noitseuq"));
    let mut recording = Recording::open(&recording)?;
    let (mut served, mut asked, mut read, mut written, mut closed) = (Vec::new(), Vec::new(), 0, 0, 0);
    while let Some(event) = recording.next_event()? {
        match event {
            Event::Opened { endpoint: Endpoint::Unix { path, named, own, peer }, origin, .. } => {
                assert_eq!(path, name);
                if named {
                    assert_eq!(origin, Origin::Accepted);
                    served.push((own, peer));
                } else {
                    assert_eq!(origin, Origin::Connected);
                    asked.push((peer, own));
                }
            }
            Event::Data(data) if data.write => written += data.total,
            Event::Data(data) => read += data.total,
            Event::Closed { .. } => closed += 1,
            _ => {}
        }
    }
    served.sort_unstable();
    asked.sort_unstable();
    assert_eq!((served.len(), &served), (3, &asked), "the ends belong together");
    assert_eq!((read, written), (6 * 6001, 6 * 6001));
    assert_eq!(closed, 6);
    Ok(())
}

#[test]
fn with_a_path() -> Result {
    both_ends(|place| place.path("socket").to_string_lossy().into_owned())
}

#[test]
fn with_an_abstract_name() -> Result {
    both_ends(|_| format!("@cardlink-e2e-{}", std::process::id()))
}

/// Nothing of what a program says to others in a language that nobody decodes is wanted.
#[test]
fn what_nobody_decodes_is_left_alone() -> Result {
    let place = Place::new()?;
    let script = "import os, socket, sys, time\na, b = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)\n\
                  a.bind('\\0left-alone'); a.listen(); b.connect('\\0left-alone'); c, _ = a.accept()\n\
                  while not os.path.exists(sys.argv[1]): b.sendall(b'x' * 100); c.recv(100); time.sleep(0.01)\n";
    let enough = place.path("enough");
    let mut run = command(&place)?;
    run.args(["run", "--listen", "127.0.0.1:0", "--verbose", "--"])
        .arg(place::python()?)
        .args(["-c", script])
        .arg(&enough);
    let mut agent = Agent::started(&mut run)?;
    let page =
        agent.until("few bytes", |page| page.count("cardlink_obs_events_total", &[("fate", "filtered")]) >= 20)?;
    assert_eq!(page.connections().values().sum::<u64>(), 0, "they are no connections of TLS");
    std::fs::write(enough, "")?;
    agent.program.success()
}

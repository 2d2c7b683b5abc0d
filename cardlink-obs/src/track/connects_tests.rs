use super::{Connects, error, is_of_connect, reason};
use crate::observation::{
    Cause, ConnectFailed, ConnectReason, Connection, Observation, PeerAddress, Process, Role, Stamp,
};
use std::sync::Arc;

/// Attempts of one program; 10 ms pass with each.
#[derive(Default)]
struct Bench {
    connects: Connects,
    now: u64,
    opened: u64,
    out: Vec<Observation>,
}

fn process(pid: u32) -> Arc<Process> {
    Arc::new(Process { pid, comm: Arc::from("p"), target: Arc::from("p") })
}

impl Bench {
    fn at(&mut self) -> Stamp {
        self.now += 10_000_000;
        Stamp::from_nanos(self.now)
    }

    fn failed_on(&mut self, tid: u32, peer: PeerAddress, connection: Option<Arc<Connection>>) -> &mut Self {
        let failed = ConnectFailed {
            at: self.at(),
            process: process(1),
            connection,
            peer: Some(peer),
            reason: ConnectReason::Refused,
            error: error(111),
            took: None,
            database: None,
            other_answered: false,
            cause: Cause::default(),
        };
        self.connects.failed(tid, failed, &mut self.out);
        self
    }

    fn refused(&mut self, tid: u32, peer: &str) -> &mut Self {
        self.failed_on(tid, tcp(peer), None)
    }

    /// A connection is begun; it is not known yet what becomes of it.
    fn begun(&mut self, peer: &str) -> Arc<Connection> {
        self.opened += 1;
        let at = self.at();
        let connection = Arc::new(Connection {
            number: self.opened,
            process: process(1),
            local: None,
            peer: Some(tcp(peer)),
            role: Some(Role::Client),
            opened: Some(at),
            first_seen: at,
        });
        self.connects.opened(&connection);
        connection
    }

    fn wait(&mut self, millis: u64) -> &mut Self {
        self.now += millis * 1_000_000;
        let now = Stamp::from_nanos(self.now);
        self.connects.tick(now, &mut self.out);
        self
    }

    /// Who was told to have failed since this was last asked; with a `+` where another address answered.
    fn told(&mut self) -> Vec<String> {
        let word = |observation: Observation| match observation {
            Observation::ConnectFailed(failed) => {
                let peer = failed.peer.as_ref().map(ToString::to_string).unwrap_or_default();
                format!("{peer}{}", if failed.other_answered { "+" } else { "" })
            }
            other => format!("{other:?}"),
        };
        std::mem::take(&mut self.out).into_iter().map(word).collect()
    }
}

fn tcp(text: &str) -> PeerAddress {
    PeerAddress::Ip(text.parse().expect("an address"))
}

#[test]
fn a_failure_is_told_once_nothing_follows_it() {
    let mut bench = Bench::default();
    bench.refused(1, "127.0.0.1:5432").wait(100);
    assert!(bench.told().is_empty());
    assert_eq!(bench.wait(200).told(), ["127.0.0.1:5432"]);
    assert!(bench.connects.is_idle() && bench.wait(1000).told().is_empty());
}

#[test]
fn the_other_family_answers() {
    let mut bench = Bench::default();
    let connection = bench.refused(1, "[::1]:5432").begun("127.0.0.1:5432");
    assert!(bench.wait(5000).told().is_empty());
    bench.connects.answered(connection.number, &mut bench.out);
    assert_eq!(bench.told(), ["[::1]:5432+"]);
}

#[test]
fn none_of_the_addresses_answers() {
    let mut bench = Bench::default();
    // The second is one that the program does not wait for.
    let connection = bench.refused(1, "[::1]:5432").begun("127.0.0.1:5432");
    bench.failed_on(1, tcp("127.0.0.1:5432"), Some(connection));
    assert_eq!(bench.wait(300).told(), ["[::1]:5432", "127.0.0.1:5432"]);
    // And both are.
    bench.refused(1, "[::1]:5432").refused(1, "127.0.0.1:5432");
    assert_eq!(bench.wait(300).told(), ["[::1]:5432", "127.0.0.1:5432"]);
}

/// Both families are tried at once, and the slower one is given up.
#[test]
fn the_attempt_beside_it_answers() {
    let mut bench = Bench::default();
    let (six, four) = (bench.begun("[2001:db8::1]:5432"), bench.begun("192.0.2.1:5432"));
    let given_up = |bench: &mut Bench, connection: &Arc<Connection>| {
        let peer = connection.peer.clone().expect("an address");
        bench.failed_on(1, peer, Some(Arc::clone(connection)));
    };
    given_up(&mut bench, &six);
    assert!(bench.wait(1000).told().is_empty());
    bench.connects.answered(four.number, &mut bench.out);
    assert_eq!(bench.told(), ["[2001:db8::1]:5432+"]);
    // Neither answers.
    let (six, four) = (bench.begun("[2001:db8::1]:5432"), bench.begun("192.0.2.1:5432"));
    given_up(&mut bench, &six);
    given_up(&mut bench, &four);
    assert_eq!(bench.wait(1000).told(), ["[2001:db8::1]:5432", "192.0.2.1:5432"]);
    // One that was there before is another one's.
    let (_, six) = (bench.begun("192.0.2.1:5432"), bench.begun("[2001:db8::1]:5432"));
    given_up(&mut bench, &six);
    assert_eq!(bench.wait(1000).told(), ["[2001:db8::1]:5432"]);
}

/// A program that tries again and again until its server is there: only the last round found it.
#[test]
fn rounds_are_told_apart() {
    let mut bench = Bench::default();
    for _ in 0..3 {
        bench.refused(1, "[::1]:5432").refused(1, "127.0.0.1:5432");
    }
    let connection = bench.refused(1, "[::1]:5432").begun("127.0.0.1:5432");
    assert_eq!(bench.told().len(), 6);
    bench.connects.answered(connection.number, &mut bench.out);
    assert_eq!(bench.told(), ["[::1]:5432+"]);
}

#[test]
fn another_host_is_no_other_address_of_the_same() {
    let mut bench = Bench::default();
    let connection = bench.refused(1, "10.0.0.1:5432").begun("10.0.0.2:5432");
    bench.connects.answered(connection.number, &mut bench.out);
    assert_eq!(bench.wait(300).told(), ["10.0.0.1:5432"]);
    // IPv4 as IPv6 has it.
    let connection = bench.refused(1, "10.0.0.1:5432").begun("[::ffff:10.0.0.2]:5432");
    bench.connects.answered(connection.number, &mut bench.out);
    assert_eq!(bench.wait(300).told(), ["10.0.0.1:5432"]);
    // Another port is another service.
    let connection = bench.refused(1, "[::1]:5432").begun("127.0.0.1:5433");
    bench.connects.answered(connection.number, &mut bench.out);
    assert_eq!(bench.wait(300).told(), ["[::1]:5432"]);
}

#[test]
fn threads_have_rounds_of_their_own() {
    let mut bench = Bench::default();
    bench.refused(1, "[::1]:5432").refused(2, "[::1]:5432");
    let (first, second) = (bench.begun("127.0.0.1:5432"), bench.begun("127.0.0.1:5432"));
    bench.connects.answered(second.number, &mut bench.out);
    bench.connects.answered(first.number, &mut bench.out);
    assert_eq!(bench.told(), ["[::1]:5432+", "[::1]:5432+"]);
}

#[test]
fn a_process_that_ends_has_no_next_attempt() {
    let mut bench = Bench::default();
    bench.refused(1, "127.0.0.1:5432");
    bench.connects.process_ended(2, &mut bench.out);
    assert!(bench.told().is_empty());
    bench.connects.process_ended(1, &mut bench.out);
    assert_eq!(bench.told(), ["127.0.0.1:5432"]);
}

#[test]
fn unix_sockets_do_not_wait_and_those_of_the_c_library_are_not_told() {
    let mut bench = Bench::default();
    for path in ["/var/run/nscd/socket", "/run/db/.s.PGSQL.5432"] {
        bench.failed_on(1, PeerAddress::Unix { path: Some(Arc::from(path)), socket: 0 }, None);
    }
    assert_eq!(bench.told(), ["unix:/run/db/.s.PGSQL.5432"]);
}

#[test]
fn errors_have_names_and_reasons() {
    let words = |errno| (error(errno).unwrap_or_default().into_owned(), reason(errno).as_str());
    assert_eq!(words(111), (String::from("ECONNREFUSED"), "refused"));
    assert_eq!(words(110), (String::from("ETIMEDOUT"), "timeout"));
    assert_eq!(words(0), (String::new(), "timeout"));
    assert_eq!(words(113), (String::from("EHOSTUNREACH"), "unreachable"));
    assert_eq!(words(101), (String::from("ENETUNREACH"), "unreachable"));
    assert_eq!(words(104), (String::from("ECONNRESET"), "reset"));
    assert_eq!(words(2), (String::from("ENOENT"), "no_socket"));
    assert_eq!(words(13), (String::from("EACCES"), "permission"));
    assert_eq!(words(11), (String::from("EAGAIN"), "busy"));
    assert_eq!(words(99), (String::from("EADDRNOTAVAIL"), "no_address"));
    assert_eq!(words(4095), (String::from("errno 4095"), "other"));
    // What a read or write may say of a connection that never was.
    assert_eq!([111, 110, 113, 104].map(is_of_connect), [true; 4]);
    assert_eq!([32, 11, 2, 5].map(is_of_connect), [false; 4]);
}

#[test]
fn what_waits_is_bounded() {
    let mut bench = Bench::default();
    for port in 0..3000 {
        bench.refused(1, &format!("127.0.0.1:{}", 10_000 + port));
    }
    assert_eq!(bench.connects.rounds.len(), super::MOST);
    assert_eq!(bench.told().len(), 3000 - super::MOST);
}

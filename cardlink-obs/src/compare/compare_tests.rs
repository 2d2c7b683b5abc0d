use super::{Comparison, FLOOR, Key, Kind, Series, Verdict, json, print};
use crate::{
    observation::{
        AdbCommand, AdbResult, Cause, ConnectFailed, ConnectReason, DatabaseSystem, Observation, Process, RunStatus,
        Stamp,
    },
    sink::Sink as _,
};
use std::sync::Arc;

/// Xorshift64*: noise that is the same each time, and independent of what is tested.
struct Noise(u64);

impl Noise {
    fn uniform(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Times as they are on a host with other work: near the least time, with a long tail.
    fn time(&mut self, usual: f64) -> f64 {
        let bell: f64 = (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0;
        let tail = if self.uniform() < 0.03 { 1.0 + 4.0 * self.uniform() } else { 1.0 };
        usual * (0.2 * bell).exp() * tail
    }
}

const COMMANDS: usize = 20;
const VALUES: usize = 150;

/// A run of twenty command types; `slow` takes `factor` as long.
fn run(noise: &mut Noise, slow: usize, factor: f64) -> Series {
    let mut series = Series::default();
    for command in 0..COMMANDS {
        let usual = 0.002 * (command + 1) as f64 * if command == slow { factor } else { 1.0 };
        let key = Key { kind: Kind::Apdu, name: format!("INS_{command:02X}") };
        series.times.insert(key, (0..VALUES).map(|_| noise.time(usual)).collect());
    }
    series
}

fn changed(comparison: &Comparison) -> Vec<(&str, Verdict)> {
    let told = comparison.rows.iter().filter(|row| row.verdict <= Verdict::Gone);
    told.map(|row| (row.key.name.as_str(), row.verdict)).collect()
}

#[test]
fn a_planted_slow_down_is_found_and_no_other() {
    for attempt in 0..20 {
        let mut noise = Noise(0x1234_5678 + attempt * 7919);
        let planted = attempt as usize % COMMANDS;
        let comparison = Comparison::of(run(&mut noise, planted, 1.0), run(&mut noise, planted, 1.2), FLOOR);
        let name = format!("INS_{planted:02X}");
        let row = comparison.rows.iter().find(|row| row.key.name == name);
        assert_eq!(changed(&comparison), [(name.as_str(), Verdict::Slower)], "attempt {attempt}: {row:?}");
        let worst = comparison.worst().expect("it got slower");
        assert!((1.08..1.35).contains(&worst), "attempt {attempt}: {worst}");
    }
}

#[test]
fn equal_runs_are_equal() {
    for attempt in 0..20 {
        let mut noise = Noise(0x00C0_FFEE + attempt * 104_729);
        let comparison = Comparison::of(run(&mut noise, 0, 1.0), run(&mut noise, 0, 1.0), FLOOR);
        assert_eq!(changed(&comparison), [], "attempt {attempt}");
        assert_eq!(comparison.worst(), None);
    }
}

fn series(times: &[(&str, &[f64])], errors: &[(&str, &str, u64)]) -> Series {
    let key = |name: &str| Key { kind: Kind::AtCommand, name: name.to_owned() };
    Series {
        times: times.iter().map(|(name, values)| (key(name), values.to_vec())).collect(),
        errors: errors.iter().map(|(name, what, count)| ((key(name), (*what).to_owned()), *count)).collect(),
    }
}

fn steps(from: f64, step: f64) -> Vec<f64> {
    (0..60).map(|index| f64::from(index).mul_add(step, from)).collect()
}

#[test]
fn every_verdict() {
    let a = series(
        &[
            ("slow", &steps(0.010, 1e-6)),
            ("fast", &steps(0.020, 1e-6)),
            ("gone", &[0.1]),
            ("few", &[0.01, 0.02]),
            ("same", &steps(0.010, 1e-7)),
            ("under the floor", &steps(0.010, 1e-6)),
            ("short", &steps(2e-6, 1e-9)),
            ("nothing", &[0.0; 60]),
        ],
        &[("slow", "cme_10", 3), ("slow", "error", 1)],
    );
    let b = series(
        &[
            ("slow", &steps(0.015, 1e-6)),
            ("fast", &steps(0.010, 1e-6)),
            ("new", &[0.2]),
            ("few", &[0.02, 0.03]),
            ("same", &steps(0.010, 1e-7)),
            ("under the floor", &steps(0.0104, 1e-6)),
            ("short", &steps(9e-6, 1e-9)),
            ("nothing", &[0.0; 60]),
        ],
        &[("slow", "timeout", 2), ("slow", "error", 4)],
    );
    let comparison = Comparison::of(a, b, FLOOR);
    let verdict = |name: &str| comparison.rows.iter().find(|row| row.key.name == name).expect(name).verdict;
    assert_eq!(verdict("slow"), Verdict::Slower);
    assert_eq!(verdict("fast"), Verdict::Faster);
    assert_eq!(verdict("gone"), Verdict::Gone);
    assert_eq!(verdict("new"), Verdict::New);
    assert_eq!(verdict("few"), Verdict::Unclear);
    for name in ["same", "under the floor", "short", "nothing"] {
        assert_eq!(verdict(name), Verdict::Same, "{name}");
    }
    let mut out = anstream::StripStream::new(Vec::new());
    print(&mut out, &comparison, false).expect("written");
    let text = String::from_utf8(out.into_inner()).expect("UTF-8");
    insta::assert_snapshot!(text);
    let json = json(&comparison);
    assert_eq!(json["errors"][0]["error"], "timeout");
    assert_eq!(json["errors"][0]["state"], "new");
    assert_eq!(json["errors"][1]["state"], "gone");
    assert_eq!(json["errors"][2]["state"], "both");
    assert_eq!(json["compared"][0]["verdict"], "slower");
}

#[test]
fn what_costs_most_comes_first() {
    let a = series(&[("rare", &steps(0.1, 1e-6)[..30]), ("often", &steps(0.01, 1e-7))], &[]);
    let b = series(&[("rare", &steps(0.11, 1e-6)[..30]), ("often", &steps(0.02, 1e-7))], &[]);
    let comparison = Comparison::of(a, b, FLOOR);
    let names: Vec<&str> = comparison.rows.iter().map(|row| row.key.name.as_str()).collect();
    assert_eq!(names, ["often", "rare"]);
}

/// A run of adb stands for its operation where that was not seen by itself; a connection that nobody took has no time.
#[test]
fn runs_of_adb_and_connections_that_nobody_took() {
    let process = Arc::new(Process { pid: 9, comm: Arc::from("adb"), target: Arc::from("app") });
    let at = |millis: u64| Stamp::from_nanos(millis * 1_000_000);
    let run = |result, counted_elsewhere| {
        Observation::AdbCommand(Box::new(AdbCommand {
            process: Arc::clone(&process),
            device: None,
            operation: "shell",
            result,
            status: RunStatus::Exit(0),
            start: at(10),
            began: at(12),
            end: at(50),
            counted_elsewhere,
            cause: Cause::default(),
        }))
    };
    let failed = |other_answered| {
        Observation::ConnectFailed(Box::new(ConnectFailed {
            at: at(2),
            process: Arc::clone(&process),
            connection: None,
            peer: None,
            reason: ConnectReason::Refused,
            error: Some("ECONNREFUSED".into()),
            took: None,
            database: Some(DatabaseSystem::Postgresql),
            other_answered,
            cause: Cause::default(),
        }))
    };
    let mut series = Series::default();
    for one in [
        run(AdbResult::Ok, false),
        run(AdbResult::Ok, true),
        run(AdbResult::Exit(3), false),
        failed(false),
        failed(true),
    ] {
        series.take(&one);
    }
    let key = |kind, name: &str| Key { kind, name: name.to_owned() };
    assert_eq!(series.times.into_iter().collect::<Vec<_>>(), [(key(Kind::Adb, "shell"), vec![0.04])]);
    let errors: Vec<_> = series.errors.into_iter().collect();
    let exit = (key(Kind::Adb, "shell"), String::from("exit code 3"));
    let refused = (key(Kind::Connect, "postgresql"), String::from("refused"));
    assert_eq!(errors, [(exit, 1), (refused, 1)]);
}

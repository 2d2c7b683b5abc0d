//! Runs of adb, and what they ask of the server.

use super::*;
use crate::event::{Data, ProgramNote, Rest};
use crate::observation::{AdbCommand, AdbOperation, AdbResult, AdbRun, RunStatus};

const CLIENT: u32 = 9;

impl Bench {
    /// A child of the server's process becomes adb.
    fn adb(&mut self, arguments: &'static [u8]) -> &mut Self {
        for origin in [ProcessOrigin::Forked { parent: PID }, ProcessOrigin::Exec] {
            let (comm, target) = (Cow::Borrowed("adb"), Cow::Borrowed("adb"));
            self.event(&Event::ProcessSeen { at: self.now, pid: CLIENT, comm, target, origin });
            self.wait(2);
        }
        self.event(&Event::Program { at: self.now, pid: CLIENT, note: ProgramNote::Began(Cow::Borrowed(arguments)) });
        self
    }

    /// Its environment has this.
    fn android_serial(&mut self, serial: &'static [u8]) -> &mut Self {
        self.event(&Event::Program { at: self.now, pid: CLIENT, note: ProgramNote::Phone(Cow::Borrowed(serial)) });
        self
    }

    fn moves(&mut self, pid: u32, number: u64, write: bool, offset: u64, bytes: &[u8]) -> &mut Self {
        self.wait(1);
        self.event(&Event::Data(Data {
            holder: holder(pid, number),
            stream: stream(number),
            call: self.call(),
            write,
            offset,
            total: bytes.len() as u64,
            rest: Rest::Whole,
            skipped: 0,
            record_start: false,
            bytes: Cow::Borrowed(bytes),
        }));
        self
    }

    fn ends(&mut self, status: u32) -> &mut Self {
        self.wait(1);
        self.event(&Event::Program { at: self.now, pid: CLIENT, note: ProgramNote::Ended(status) });
        self.event(&Event::ProcessEnded { at: self.now, pid: CLIENT });
        self
    }

    fn runs(&self) -> Vec<&AdbCommand> {
        fn run(one: &Observation) -> Option<&AdbCommand> {
            let Observation::AdbCommand(run) = one else { return None };
            Some(run)
        }
        self.out.iter().filter_map(run).collect()
    }

    fn asked(&self) -> Vec<&AdbOperation> {
        fn operation(one: &Observation) -> Option<&AdbOperation> {
            let Observation::AdbOperation(operation) = one else { return None };
            Some(operation)
        }
        self.out.iter().filter_map(operation).collect()
    }
}

#[test]
fn what_is_seen_at_the_server_belongs_to_the_run_of_its_client() {
    for ends in [&[true][..], &[false], &[true, false]] {
        let mut bench = Bench::new(PipelineSettings::default());
        bench.adb(b"adb\0devices\0").open(CLIENT, 2, 1, false).open(PID, 1, 1, true);
        let began = bench.now;
        // What each end tells of the same bytes.
        for server in ends {
            let (pid, number) = if *server { (PID, 1) } else { (CLIENT, 2) };
            bench.moves(pid, number, !server, 0, b"000chost:devices");
            bench.moves(pid, number, *server, 0, b"OKAY0000");
        }
        bench.ends(0);
        let asked = bench.asked();
        let counted: Vec<_> = asked.iter().filter(|one| !one.counted_elsewhere).collect();
        assert_eq!(counted.len(), usize::from(ends.contains(&true)), "the serving end is watched");
        let run = AdbRun { pid: CLIENT, began: Stamp::from_nanos(began) };
        assert!(!asked.is_empty() && asked.iter().all(|one| one.run == Some(run)), "{ends:?}");
        let runs = bench.runs();
        let [told] = runs.as_slice() else { panic!("{runs:?}") };
        assert!(told.counted_elsewhere && told.run() == run && told.result == AdbResult::Ok, "{told:?}");
    }
}

#[test]
fn a_run_that_asked_nothing_counts_itself() {
    let mut bench = Bench::new(PipelineSettings::default());
    bench.adb(b"adb\0-s\0ABC\0shell\0input text hunter2\0");
    let said = ProgramNote::Said(Cow::Borrowed(b"error: cannot connect to daemon\n"));
    bench.event(&Event::Program { at: bench.now, pid: CLIENT, note: said });
    bench.ends(1 << 8);
    let runs = bench.runs();
    let [told] = runs.as_slice() else { panic!("{runs:?}") };
    assert_eq!((told.operation, told.result), ("shell", AdbResult::Failed("no_server")));
    assert_eq!((told.status, told.counted_elsewhere), (RunStatus::Exit(1), false));
    assert_eq!(told.duration(), Duration::from_millis(5), "from its fork on");
    let all = format!("{:?}", bench.out);
    assert!(!all.contains("hunter2") && !all.contains("ABC"), "{all}");
}

#[test]
fn the_environment_names_the_phone_unless_an_option_does() {
    for (arguments, expected) in [
        (b"adb\0shell\0id\0".as_slice(), Some(b"FROM-ENV".as_slice())),
        (b"adb\0-s\0OTHER\0shell\0id\0", Some(b"OTHER")),
        (b"adb\0-sOTHER\0shell\0id\0", Some(b"OTHER")),
        (b"adb\0-d\0shell\0id\0", None),
        (b"adb\0-e\0shell\0id\0", None),
        (b"adb\0-t\x007\0shell\0id\0", None),
        (b"adb\0devices\0", None),
        (b"adb\0-P\x005038\0shell\0-e\0id\0", Some(b"FROM-ENV")),
    ] {
        let mut bench = Bench::new(PipelineSettings::default());
        bench.adb(arguments).android_serial(b"FROM-ENV").ends(1 << 8);
        let runs = bench.runs();
        let [run] = runs.as_slice() else { panic!("{runs:?}") };
        let wanted = expected.map(|serial| crate::track::adb::phone(serial.to_vec()));
        assert_eq!(run.device.as_deref(), wanted.as_ref(), "{:?}", String::from_utf8_lossy(arguments));
    }
}

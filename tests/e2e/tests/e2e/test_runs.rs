//! Test runs: what the agent tells of them is what the runners' own reports say.

use cardlink_e2e::{
    Result,
    agent::{self, Agent},
    place::{self, Place},
    program::Program,
    trace::{self, text},
};
use serde_json::Value;
use std::{collections::BTreeMap, path::Path, process::Command};

const MODULES: [&str; 5] = ["test_pin.py", "test_select.py", "test_read.py", "test_update.py", "test_verify.py"];
/// Stands in parameters and in messages of the suite.
const SECRET: &str = "SecretPin7391";

/// Two hundred tests.
fn suite(place: &Place) -> Result {
    for module in MODULES {
        let folder = place.path("suite");
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join(module), include_str!("../../peers/suite_outcomes.py"))?;
    }
    Ok(())
}

/// pytest on the suite, with a report in `report.xml` when asked for.
fn pytest(place: &Place, words: &[&str], report: bool) -> Result<Vec<String>> {
    let python = place::python()?;
    let mut all = vec![python.display().to_string(), String::from("-m"), String::from("pytest")];
    all.push(format!("--rootdir={}", place.path("suite").display()));
    all.extend(["-p", "no:cacheprovider"].map(String::from));
    all.extend(words.iter().map(|word| (*word).to_owned()));
    if report {
        all.push(format!("--junit-xml={}", place.path("report.xml").display()));
    }
    all.push(place.path("suite").display().to_string());
    Ok(all)
}

/// What a run's standard output is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Screen {
    File,
    Terminal,
}

/// What `trace --json -- COMMAND` tells, and all that the command printed.
fn traced(place: &Place, words: &[String], screen: Screen) -> Result<(Vec<Value>, String)> {
    let printed = place.path("printed");
    let python = place::python()?.display().to_string();
    let terminal = match screen {
        Screen::File => String::new(),
        Screen::Terminal => format!("{python} -c 'import pty, sys; pty.spawn(sys.argv[1:])' "),
    };
    let script = format!("{terminal}\"$@\" > {}", printed.display());
    let mut command = agent::command(place)?;
    command.args(["trace", "--json", "--all", "--", "sh", "-c", &script, "sh"]).args(words);
    let mut program = Program::start(&mut command)?;
    program.close_input();
    program.wait()?;
    Ok((trace::parse(&program.out())?, std::fs::read_to_string(printed)?))
}

/// Suite, name with hashed parameters, outcome; how often.
type Outcomes = BTreeMap<String, u32>;

fn told(values: &[Value]) -> Outcomes {
    let mut outcomes = Outcomes::new();
    for test in trace::of(values, "test") {
        let parameters = test["parameters"].as_str().map(|hash| format!("[{hash}]")).unwrap_or_default();
        let key = format!("{} {}{parameters} {}", text(test, "suite"), text(test, "name"), text(test, "outcome"));
        *outcomes.entry(key).or_default() += 1;
    }
    outcomes
}

/// The same by the report, read by another reader.
fn reported(place: &Place, report: &Path) -> Result<Outcomes> {
    let script = place.path("read_report.py");
    std::fs::write(&script, include_str!("../../peers/read_report.py"))?;
    let output = Command::new(place::python()?).arg(script).arg(report).arg(place.path("hash-key")).output()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut outcomes = Outcomes::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        *outcomes.entry(line.to_owned()).or_default() += 1;
    }
    Ok(outcomes)
}

/// What the report cannot tell: that a test passed although it was not expected to.
fn without_xpassed(outcomes: &Outcomes) -> Outcomes {
    let mut less = Outcomes::new();
    for (key, count) in outcomes {
        *less.entry(key.replace(" xpassed", " passed")).or_default() += count;
    }
    less
}

fn same(told: &Outcomes, reported: &Outcomes, how: &str) {
    let only = |one: &Outcomes, other: &Outcomes| {
        one.iter()
            .filter(|(key, count)| other.get(*key) != Some(*count))
            .map(|(key, _)| key.clone())
            .collect::<Vec<_>>()
    };
    assert!(
        told == reported,
        "{how}: only told:\n    {}\nonly in the report:\n    {}",
        only(told, reported).join("\n    "),
        only(reported, told).join("\n    ")
    );
}

fn of(outcomes: &Outcomes, outcome: &str) -> u32 {
    outcomes.iter().filter(|(key, _)| key.ends_with(&format!(" {outcome}"))).map(|(_, count)| count).sum()
}

/// Every test, told live, is what the report of the same run says.
fn equal(words: &[&str], screen: Screen) -> Result {
    let place = Place::new()?;
    suite(&place)?;
    let how = words.join(" ");
    let (values, printed) = traced(&place, &pytest(&place, words, true)?, screen)?;
    let told = told(&values);
    assert_eq!(told.values().sum::<u32>(), 200, "{how}: {told:#?}\n{printed}");
    assert_eq!(of(&told, "unknown"), 0, "{how}");
    assert_eq!(of(&told, "xpassed"), 20, "{how}");
    same(&without_xpassed(&told), &reported(&place, &place.path("report.xml"))?, &how);
    assert!(trace::of(&values, "test").all(|test| text(test, "source") == "live"), "{how}");
    let objects: String = values.iter().map(ToString::to_string).collect();
    assert!(!objects.contains(SECRET), "{how}: parameters are in the output");
    let suites = trace::of(&values, "test_suite").map(|suite| &suite["tests"]);
    let in_suites: u64 =
        suites.flat_map(|tests| tests.as_object().into_iter().flatten()).filter_map(|(_, n)| n.as_u64()).sum();
    assert_eq!(in_suites, 200, "{how}");
    Ok(())
}

#[test]
fn quiet() -> Result {
    equal(&["-q"], Screen::File)
}

#[test]
fn verbose() -> Result {
    equal(&["-v"], Screen::File)
}

#[test]
fn with_nothing_captured() -> Result {
    equal(&["-s"], Screen::File)
}

#[test]
fn verbose_on_a_terminal_with_nothing_captured() -> Result {
    equal(&["-v", "-s"], Screen::Terminal)
}

#[test]
fn on_a_terminal() -> Result {
    equal(&[], Screen::Terminal)
}

#[test]
fn with_workers() -> Result {
    equal(&["-q", "-n", "2"], Screen::File)
}

#[test]
fn live_without_a_report() -> Result {
    let place = Place::new()?;
    suite(&place)?;
    let (values, _) = traced(&place, &pytest(&place, &["-q"], false)?, Screen::File)?;
    let told = told(&values);
    for (outcome, count) in
        [("passed", 35), ("failed", 25), ("skipped", 40), ("error", 40), ("xfailed", 40), ("xpassed", 20)]
    {
        assert_eq!(of(&told, outcome), count, "{outcome}");
    }
    Ok(())
}

#[test]
fn where_nothing_is_written_the_report_tells() -> Result {
    let place = Place::new()?;
    suite(&place)?;
    let words = pytest(&place, &["-p", "no:terminal", "-s"], true)?;
    let (values, _) = traced(&place, &words, Screen::File)?;
    let outcomes = told(&values);
    same(&without_xpassed(&outcomes), &reported(&place, &place.path("report.xml"))?, "without a reporter");
    assert!(trace::of(&values, "test").all(|test| text(test, "source") == "live"));
    // And without a report nothing is made up but what the tear-down shows.
    let (values, _) = traced(&place, &pytest(&place, &["-p", "no:terminal"], false)?, Screen::File)?;
    let outcomes = told(&values);
    assert_eq!((of(&outcomes, "unknown"), of(&outcomes, "error")), (180, 20), "{outcomes:#?}");
    Ok(())
}

#[test]
fn reruns_are_flaky_when_they_pass() -> Result {
    for words in [&["-q", "--reruns", "2"][..], &["-v", "--reruns", "2"], &["-q", "-n", "2", "--reruns", "2"]] {
        let place = Place::new()?;
        let folder = place.path("suite");
        std::fs::create_dir_all(&folder)?;
        std::fs::write(
            folder.join("test_link.py"),
            "import os\n\n\
             def test_second_time(tmp_path_factory):\n    mark = os.path.join(os.path.dirname(__file__), 'mark')\n    \
             first = not os.path.exists(mark)\n    open(mark, 'w').close()\n    assert not first\n\n\
             def test_never():\n    assert False\n\n\
             def test_good():\n    pass\n",
        )?;
        let (values, printed) = traced(&place, &pytest(&place, words, false)?, Screen::File)?;
        let expected: Outcomes = [
            ("test_link test_good passed", 1),
            ("test_link test_never failed", 1),
            ("test_link test_never rerun", 2),
            ("test_link test_second_time passed", 1),
            ("test_link test_second_time rerun", 1),
        ]
        .into_iter()
        .map(|(key, count)| (key.to_owned(), count))
        .collect();
        assert_eq!(told(&values), expected, "{words:?}\n{printed}");
        let flaky: Vec<&str> =
            trace::of(&values, "test").filter(|test| test["flaky"] == true).map(|test| text(test, "name")).collect();
        assert_eq!(flaky, ["test_second_time"], "{words:?}");
    }
    Ok(())
}

/// Reports as other runners write them, written by a shell and by a rename.
#[test]
fn reports_of_other_runners() -> Result {
    let place = Place::new()?;
    let nextest = r#"<?xml version="1.0"?><testsuites name="nextest-run" tests="2" failures="1"><testsuite name="card::tests" tests="2"><testcase name="opens" classname="card::tests" time="0.004"></testcase><testcase name="closes" classname="card::tests" time="0.250"><failure type="test failure">SecretPin7391</failure></testcase></testsuite></testsuites>"#;
    let gtest = r#"<?xml version="1.0"?><testsuites tests="2"><testsuite name="Pin" tests="2" time="0.1"><testcase name="Ok" status="run" classname="Pin" time="0.1"/><testcase name="Off" status="notrun" classname="Pin" time="0"/></testsuite></testsuites>"#;
    std::fs::write(place.path("nextest"), nextest)?;
    std::fs::write(place.path("gtest"), gtest)?;
    let here = place.path("nextest").parent().expect("a folder").display().to_string();
    let script = format!(
        "cd {here} && cat nextest > nextest.xml && cat gtest > new && mv new gtest.xml && cat gtest > page.html"
    );
    let mut command = agent::command(&place)?;
    command.args(["run", "--listen", "127.0.0.1:0", "--record"]).arg(place.path("recording"));
    command.args(["--", "sh", "-c", &format!("{script}; read line")]);
    let mut agent = Agent::started(&mut command)?;
    let page = agent.until("four tests", |page| page.count("cardlink_tests_total", &[]) == 4)?;
    for (suite, status, count) in
        [("card::tests", "passed", 1), ("card::tests", "failed", 1), ("Pin", "passed", 1), ("Pin", "skipped", 1)]
    {
        assert_eq!(
            page.count("cardlink_tests_total", &[("suite_name", suite), ("status", status)]),
            count,
            "{suite} {status}"
        );
    }
    assert_eq!(page.count("cardlink_test_suite_duration_seconds_count", &[("suite_name", "Pin")]), 1);
    agent.program.tell("go")?;
    agent.program.success()?;
    let recording = std::fs::read(place.path("recording"))?;
    assert!(!recording.windows(SECRET.len()).any(|bytes| bytes == SECRET.as_bytes()), "a message is in the recording");
    let values = agent::replayed(&place, &place.path("recording"))?;
    assert_eq!(told(&values).len(), 4);
    Ok(())
}

#[test]
fn a_recording_tells_the_same_without_parameters() -> Result {
    let place = Place::new()?;
    suite(&place)?;
    let words = pytest(&place, &["-q", "-n", "2"], true)?;
    let mut command = agent::command(&place)?;
    command.args(["run", "--listen", "127.0.0.1:0", "--record"]).arg(place.path("recording"));
    let mut program = Program::start(command.arg("--").args(words))?;
    program.close_input();
    program.wait()?;
    let recording = std::fs::read(place.path("recording"))?;
    for secret in [SECRET, "a::b[c]"] {
        assert!(
            !recording.windows(secret.len()).any(|bytes| bytes == secret.as_bytes()),
            "{secret} is in the recording"
        );
    }
    let values = agent::replayed(&place, &place.path("recording"))?;
    same(&without_xpassed(&told(&values)), &reported(&place, &place.path("report.xml"))?, "replayed");
    Ok(())
}

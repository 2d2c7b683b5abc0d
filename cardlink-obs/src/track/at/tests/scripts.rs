use super::*;

#[test]
fn echo_on_and_off() {
    let mut bench = Bench::new();
    bench.write(b"ATE0\r").read(900, b"ATE0\r\r\nOK\r\n").told(&["ATE ok 900 first=900"]);
    bench.write(b"AT+CSQ\r").read(500, b"\r\n+CSQ: 20,99\r\n").read(250, b"\r\nOK\r\n");
    bench.told(&["AT+CSQ ok 750 first=500 lines=1"]);
    bench.write(b"AT\r\n").read(100, b"\r\nOK\r\n").told(&["AT ok 100 first=100"]);
    assert_eq!(bench.tracker.verdict(), AtVerdict::At);
}

#[test]
fn the_echo_is_not_the_first_byte() {
    let mut bench = Bench::new();
    bench.write(b"AT+CGMI\r").read(100, b"AT+CGMI\r").read(200, b"\r\n").read(300, b"Quectel\r\n\r\nOK\r");
    bench.told(&["AT+CGMI ok 600 first=300 lines=1"]);
    bench.read(1, b"\n").write(b"AT\r").read(50, b"AT\r\r\nOK\r\n").told(&["AT ok 50 first=50"]);
}

#[test]
fn a_command_torn_over_writes_starts_with_its_last_byte() {
    let mut bench = Bench::new();
    bench.write(b"AT+C").sleep(5000).write(b"SQ\r").read(40, b"\r\nOK\r\n").told(&["AT+CSQ ok 40 first=40"]);
}

#[test]
fn result_codes() {
    for (answer, result) in [
        ("OK", "ok"),
        ("ERROR", "error"),
        ("+CME ERROR: 10", "cme_10"),
        ("+CME ERROR: SIM PIN required", "cme_11"),
        ("+CME ERROR: something of the vendor", "cme_text"),
        ("+CMS ERROR: 304", "cms_304"),
        ("+CMS ERROR:500", "cms_500"),
        ("+CMS ERROR: memory full", "cms_322"),
        ("+CMS ERROR: out of paper", "cms_text"),
        ("COMMAND NOT SUPPORT", "not_supported"),
        ("SEND FAIL", "send_fail"),
        ("ABORTED", "aborted"),
        ("TOO MANY PARAMETERS", "error"),
        ("+EXT ERROR: 100", "error"),
        ("MODEM ERROR", "error"),
        ("MODEM ERROR: 3", "error"),
    ] {
        let mut bench = Bench::new();
        bench.write(b"AT+XYZ=1\r").read(10, format!("\r\n{answer}\r\n").as_bytes());
        bench.told(&[&format!("AT+XYZ {result} 10 first=10")]);
    }
    for (answer, result) in [
        ("NO CARRIER", "no_carrier"),
        ("BUSY", "busy"),
        ("NO ANSWER", "no_answer"),
        ("NO DIALTONE", "no_dialtone"),
        ("NO DIAL TONE", "no_dialtone"),
        ("DELAYED", "error"),
        ("BLACKLISTED", "error"),
        ("CONNECT", "connect"),
        ("CONNECT 115200", "connect"),
        ("CONNECT/ARQ", "connect"),
    ] {
        let mut bench = Bench::new();
        bench.write(b"ATD*99***1#\r").read(10, format!("\r\n{answer}\r\n").as_bytes());
        bench.told(&[&format!("ATD {result} 10 first=10")]);
    }
}

#[test]
fn answers_in_numbers() {
    let mut bench = Bench::new();
    bench.write(b"ATE0V0\r").read(10, b"ATE0V0\r0\r").told(&["ATE ok 10 first=10 [ATE ATV]"]);
    bench.write(b"AT+CSQ\r").read(10, b"+CSQ: 20,99\r\n0\r").told(&["AT+CSQ ok 10 first=10 lines=1"]);
    bench.write(b"AT+NONE\r").read(10, b"4\r").told(&["AT+NONE error 10 first=10"]);
    bench.read(1000, b"2\r").sleep(2000).tick().told(&["unsolicited RING"]);
    bench.write(b"ATD123;\r").read(10, b"3\r").told(&["ATD no_carrier 10 first=10"]);
    bench.write(b"ATV1\r").read(10, b"\r\nOK\r\n").told(&["ATV ok 10 first=10"]);
    bench.write(b"AT+CCHO=\"A0000005591010FFFFFFFF8900000100\"\r").read(10, b"\r\n1\r\n\r\nOK\r\n");
    bench.told(&["AT+CCHO ok 10 first=10 lines=1"]);
}

#[test]
fn a_number_in_words_mode_is_information() {
    let mut bench = Bench::new();
    bench.write(b"ATS0?\r").read(10, b"\r\n000\r\n0\r\n\r\nOK\r\n").told(&["ATS ok 10 first=10 lines=2"]);
}

#[test]
fn several_commands_on_a_line() {
    let mut bench = Bench::new();
    bench.write(b"ate0v1+cmee=1;+CREG?;+COPS=3,0\r").read(10, b"\r\n+CREG: 0,1\r\n\r\nOK\r\n");
    bench.told(&["ATE ok 10 first=10 lines=1 [ATE ATV AT+CMEE AT+CREG AT+COPS]"]);
    bench.write(b"AT&F&C1S0=0\r").read(10, b"\r\nOK\r\n").told(&["AT&F ok 10 first=10 [AT&F AT&C ATS]"]);
    bench.write(b"A/").read(10, b"\r\nOK\r\n").told(&["AT&F ok 10 first=10 [AT&F AT&C ATS]"]);
}

#[test]
fn names_are_never_garbage() {
    for (line, name) in [
        ("AT+491701234567", "AT?"),
        ("AT+A_NAME_THAT_DOES_NOT_END=1", "AT?"),
        ("AT+B\u{e4}r", "AT?"),
        ("AT+", "AT?"),
        ("AT123456", "AT?"),
        ("AT+CIMI", "AT+CIMI"),
        ("at+w46=?", "AT+W46"),
        ("AT^SYSCFGEX=?", "AT^SYSCFGEX"),
        ("AT#BND?", "AT#BND"),
        ("AT$GPSP=1", "AT$GPSP"),
        ("AT!GSTATUS?", "AT!GSTATUS"),
        ("AT*CELLINFO", "AT*CELLINFO"),
        ("AT%CPN", "AT%CPN"),
        ("ATDT+491701234567;", "ATD"),
    ] {
        let mut bench = Bench::new();
        bench.write(line.as_bytes()).write(b"\r").read(10, b"\r\nERROR\r\n");
        bench.told(&[&format!("{name} error 10 first=10")]);
    }
}

#[test]
fn messages_with_a_prompt() {
    let mut bench = Bench::new();
    bench.write(b"AT+CMGS=23\r").read(20_000, b"\r\n> ").sleep(990).write(b"0011000B919471").write(b"00\x1a");
    bench.read(2_000_000, b"\r\n+CMGS: 5\r\n\r\nOK\r\n");
    bench.told(&["AT+CMGS ok 2021010 first=20000 lines=1 prompt=1010"]);
    // Text mode with echo: the text says OK, and looks like a command.
    bench.write(b"AT+CMGS=\"+491701234567\"\r").read(100, b"AT+CMGS=\"+491701234567\"\r\r\n> ");
    bench.write(b"AT\rOK\r\x1a").read(100, b"AT\r\n> OK\r\n> \x1a\r\n+CMS ERROR: 38\r\n");
    bench.told(&["AT+CMGS cms_38 210 first=100 prompt=10"]);
    // The program gives the text up.
    bench.write(b"AT+CMGS=\"1\"\r").read(100, b"\r\n> ").write(b"never\x1b").read(90, b"\r\nOK\r\n");
    bench.told(&["AT+CMGS ok 200 first=100 prompt=10"]);
    // The modem does.
    bench.write(b"AT+CMGS=\"1\"\r").read(100, b"\r\n> ").read(500, b"\r\n+CMS ERROR: 500\r\n");
    bench.told(&["AT+CMGS cms_500 600 first=100 prompt=500"]);
    bench.write(b"AT\r").read(10, b"\r\nOK\r\n").told(&["AT ok 10 first=10"]);
    // The data did not wait for the prompt.
    bench.write(b"AT+CMGW=10\r").write(b"00110022\x1a").read(10, b"\r\n> \r\n+CMGW: 1\r\n\r\nOK\r\n");
    bench.told(&["AT+CMGW ok 20 first=20 lines=1 prompt=0"]);
    bench.write(b"AT+CIPSEND=3\r").read(10, b"\r\n> ").write(b"\x1a\r\n").read(10, b"\r\nSEND OK\r\n");
    bench.told(&["AT+CIPSEND ok 30 first=10 prompt=10"]);
    assert_eq!(bench.tracker.verdict(), AtVerdict::At);
}

#[test]
fn unsolicited_codes_stand_apart() {
    let mut bench = Bench::new();
    bench.write(b"AT+CSQ\r").read(10, b"\r\n+CREG: 1\r\n\r\nRING\r\n").read(10, b"\r\n+CSQ: 9,9\r\n\r\nOK\r\n");
    bench.told(&["unsolicited +CREG", "unsolicited RING", "AT+CSQ ok 20 first=20 lines=1"]);
    bench.read(5000, b"\r\n+CMT: ,24\r\n07911326040000F0\r\n\r\n^HCSQ: \"LTE\",1\r\n").tick();
    bench.sleep(2000).tick().told(&["unsolicited +CMT", "unsolicited ^HCSQ"]);
    bench.read(5000, b"\r\n+CDS: 25\r\nOK\r\n\r\n+CDS: 6,1,,,\"24\",\"24\",0\r\n\r\nSMS Ready\r\n").sleep(2000).tick();
    bench.told(&["unsolicited +CDS", "unsolicited +CDS", "unsolicited SMS READY"]);
    bench.write(b"AT\r").read(9, b"\r\n+CMT: \"+49\",,\"24\"\r\nOK\r\n\r\nOK\r\n");
    bench.told(&["unsolicited +CMT", "AT ok 9 first=9"]);
    bench.read(5000, b"\r\nNO CARRIER\r\n\r\nsomething else\r\n").sleep(2000).tick();
    bench.told(&["unsolicited NO CARRIER", "unsolicited ?"]);
    // The far end hangs up while another command runs.
    bench.write(b"AT+CSQ\r").read(10, b"\r\nNO CARRIER\r\n").read(10, b"\r\n+CSQ: 1,1\r\n\r\nOK\r\n");
    bench.told(&["unsolicited NO CARRIER", "AT+CSQ ok 20 first=20 lines=1"]);
}

#[test]
fn lists_of_commands_and_card_numbers_are_information() {
    let mut bench = Bench::new();
    bench.write(b"AT+CLAC\r").read(10, b"\r\n+CSQ\r\n+CREG\r\n\r\nOK\r\n").told(&["AT+CLAC ok 10 first=10 lines=2"]);
    bench.write(b"ATI\r").read(10, b"\r\nSIMCOM\r\n+GCAP: +CGSM\r\n\r\nOK\r\n").told(&["ATI ok 10 first=10 lines=2"]);
    bench.write(b"AT+CCID\r").read(10, b"\r\n+ICCID: 8949\r\n\r\nOK\r\n").told(&["AT+CCID ok 10 first=10 lines=1"]);
}

#[test]
fn data_mode_is_left_alone() {
    let mut bench = Bench::new();
    bench.write(b"ATD*99#\r").read(10, b"\r\nCONNECT 150000000\r\n").told(&["ATD connect 10 first=10"]);
    assert_eq!(bench.tracker.mode(), Mode::Data { call: true });
    bench.write(b"~\xff\x7d#AT\r\n").read(10, b"~\xff}#\r\nOK\r\n\r\n+CREG: 1\r\n").tick().told(&[]);
    bench.write(b"+++").read(1_000_000, b"\r\nOK\r\n").told(&[]);
    assert_eq!(bench.tracker.mode(), Mode::Command);
    bench.write(b"ATH\r").read(10, b"\r\nOK\r\n").told(&["ATH ok 10 first=10"]);
    bench.write(b"ATD*99#\r").read(10, b"\r\nCONNECT\r\n").read(10, b"\r\nNO CARRIER\r\n").sleep(5000).tick();
    bench.told(&["ATD connect 10 first=10", "unsolicited NO CARRIER"]);
    // A transfer ends with the next final result code.
    bench.write(b"AT+QFUPL=\"f\",4\r").read(10, b"\r\nCONNECT\r\n").write(b"abcd");
    bench.read(10, b"+QFUPL: 4,c8c8\r\n\r\nOK\r\n").told(&["AT+QFUPL connect 10 first=10"]);
    bench.write(b"AT\r").read(10, b"\r\nOK\r\n").told(&["AT ok 10 first=10"]);
    bench.write(b"AT+CMUX=0\r").read(10, b"\r\nOK\r\n").write(b"\xf9AT\r\xf9");
    bench.told(&["AT+CMUX ok 10 first=10", "blind cmux"]);
    assert_eq!(bench.tracker.mode(), Mode::Multiplexed);
}

#[test]
fn no_answer() {
    let mut bench = Bench::new();
    bench.write(b"AT+CSQ\r").read(10, b"AT+CSQ\r").sleep(180_000_000).tick();
    bench.told(&["AT+CSQ timeout 180000000"]);
    // The answer of the command that is given up is not that of the next.
    bench.write(b"AT+COPS?\r").read(10, b"\r\n+CSQ: 1,1\r\n\r\nOK\r\n").told(&[]);
    bench.read(10, b"AT+COPS?\r\r\n+COPS: 0\r\n\r\nOK\r\n").told(&["AT+COPS ok 20 first=20 lines=1"]);
    bench.write(b"AT\r").sleep(90).close().told(&["AT timeout 90"]);
    bench.write(b"AT\r").sleep(90);
    let call = bench.call(5);
    bench.item(&Item::Error { direction: Direction::Read, call, errno: EIO });
    bench.told(&["AT hangup 95"]);
    // Between commands it is the device alone, and told once.
    let mut bench = Bench::new();
    bench.write(b"AT\r").read(10, b"\r\nOK\r\n");
    for direction in [Direction::Read, Direction::Write] {
        let call = bench.call(5);
        bench.item(&Item::Error { direction, call, errno: EIO });
    }
    bench.told(&["AT ok 10 first=10", "read failed io"]);
}

#[test]
fn a_late_answer_with_echo_is_not_the_next_commands() {
    let mut bench = Bench::new();
    bench.write(b"AT+CFUN=1\r").read(10, b"AT+CFUN=1\r").sleep(180_000_000).tick();
    bench.told(&["AT+CFUN timeout 180000000"]);
    bench.write(b"AT+CGATT=1\r").read(10, b"\r\nOK\r\n").told(&[]);
    bench.read(10, b"AT+CGATT=1\r\r\nOK\r\n").told(&["AT+CGATT ok 20 first=20"]);
}

/// The program takes the late answer of CGMI for that of CGMM, and from then on each for the next one's.
#[test]
fn an_echo_tells_that_the_answer_before_it_was_a_late_one() {
    for at_once in [false, true] {
        let mut bench = Bench::new();
        bench.write(b"AT+CGMI\r").read(10, b"AT+CGMI\r").sleep(400_000).write(b"AT+CGMM\r");
        bench.read(500_000, b"\r\nLab\r\n\r\nOK\r\n").told(&[]);
        if at_once {
            // Nothing has been told wrongly yet.
            bench.read(0, b"AT+CGMM\r").told(&["AT+CGMI ok 900020 first=900020 lines=1"]);
            bench.write(b"AT+CGSN\r").read(10, b"\r\nModem\r\n\r\nOK\r\n").read(0, b"AT+CGSN\r");
            bench.told(&["AT+CGMM ok 500020 first=500020 lines=1"]).write(b"AT+CSQ\r");
        } else {
            bench.write(b"AT+CGSN\r").told(&["AT+CGMI aborted 400020", "AT+CGMM ok 500000 first=500000 lines=1"]);
            bench.read(10, b"AT+CGMM\r\r\nModem\r\n\r\nOK\r\n").write(b"AT+CSQ\r").read(0, b"AT+CGSN\r");
        }
        bench.read(10, b"\r\n+CME ERROR: 10\r\n");
        bench.write(b"AT+CREG?\r").read(10, b"AT+CSQ\r\r\n+CSQ: 1,1\r\n\r\nOK\r\n");
        bench.read(10, b"AT+CREG?\r\r\n+CREG: 0,1\r\n\r\nOK\r\n");
        bench.told(&["AT+CGSN cme_10 30 first=30", "AT+CSQ ok 30 first=30 lines=1", "AT+CREG ok 20 first=20 lines=1"]);
    }
}

#[test]
fn late_answers_without_echo_wait_for_what_follows() {
    let mut bench = Bench::new();
    // Both come: in order.
    bench.write(b"AT+CFUN=1\r").sleep(990).write(b"AT+CGATT=1\r").read(10, b"\r\nOK\r\n").told(&[]);
    bench.read(10, b"\r\nERROR\r\n").told(&["AT+CFUN ok 1010 first=1010", "AT+CGATT error 20 first=20"]);
    // One comes, and names its command.
    bench.write(b"AT+CFUN=1\r").sleep(990).write(b"AT+CSQ\r").read(10, b"\r\nOK\r\n");
    bench.read(10, b"\r\n+CSQ: 1,1\r\n\r\nOK\r\n");
    bench.told(&["AT+CFUN ok 1010 first=1010", "AT+CSQ ok 20 first=20 lines=1"]);
    bench.write(b"AT+CFUN=1\r").sleep(990).write(b"AT+CSQ\r").read(10, b"\r\n+CSQ: 1,1\r\n\r\nOK\r\n");
    bench.told(&["AT+CFUN aborted 1000", "AT+CSQ ok 10 first=10 lines=1"]);
    // One comes, and the program goes on: it was the last one's.
    bench.write(b"AT+CFUN=1\r").sleep(990).write(b"AT+CGATT=1\r").read(10, b"\r\nOK\r\n").write(b"AT\r");
    bench.told(&["AT+CFUN aborted 1000", "AT+CGATT ok 10 first=10"]);
    bench.read(10, b"\r\nOK\r\n").told(&["AT ok 10 first=10"]);
    // One comes, and nothing else.
    bench.write(b"AT+CFUN=1\r").sleep(990).write(b"AT+CGATT=1\r").read(10, b"\r\nOK\r\n").sleep(1_100_000).tick();
    bench.told(&["AT+CFUN aborted 1000", "AT+CGATT ok 10 first=10"]);
}

#[test]
fn a_program_out_of_step_is_followed() {
    // No echo. The answer to CFUN comes when CSQ is written, and the program takes it for that.
    let mut bench = Bench::new();
    bench.write(b"AT+CFUN=1\r").sleep(990).write(b"AT+CSQ\r").read(10, b"\r\nOK\r\n");
    bench.told(&["AT+CFUN ok 1010 first=1010"]);
    bench.write(b"AT+CSQ\r").read(10, b"\r\n+CSQ: 1,1\r\n\r\nOK\r\n").write(b"AT+COPS?\r");
    bench.told(&["AT+CSQ ok 30 first=30 lines=1"]);
    bench.read(10, b"\r\n+CSQ: 1,1\r\n\r\nOK\r\n").told(&["AT+CSQ ok 30 first=30 lines=1"]);
    // COPS is never answered.
    bench.sleep(470).write(b"AT+CSQ\r").read(10, b"\r\n+CSQ: 1,1\r\n\r\nOK\r\n");
    bench.told(&["AT+COPS aborted 490", "AT+CSQ ok 10 first=10 lines=1"]);
}

#[test]
fn information_before_the_next_command_is_no_evidence() {
    for echo in [true, false] {
        let mut bench = Bench::new();
        let mut answer = |command: &str, damaged: &str, answer: &str| {
            bench.write(command.as_bytes());
            bench.read(10, if echo { damaged } else { "" }.as_bytes()).read(0, answer.as_bytes()).sleep(480);
            std::mem::take(&mut bench.told)
        };
        answer("AT\r", "AT\r", "\r\nOK\r\n");
        // The final result code is missing, then an echo is damaged.
        answer("AT+CREG?\r", "AT+CREG?\r", "\r\n+CREG: 0,1\r\n");
        answer("AT+CGMM\r", "T*CGMM\r", "\r\nLab Modem\r\n\r\nOK\r\n");
        let told = answer("AT\r", "AT\r", "\r\nOK\r\n");
        let lines = if echo { 2 } else { 1 };
        let first = "AT+CREG aborted 500 first=10 lines=1";
        assert_eq!(told, [first, &format!("AT+CGMM ok 10 first=10 lines={lines}"), "AT ok 10 first=10"]);
    }
}

#[test]
fn commands_written_ahead_are_answered_in_order() {
    let mut bench = Bench::new();
    bench.write(b"AT+A\rAT+B\rAT+C\r").read(10, b"AT+A\r\r\nOK\r\nAT+B\r\r\nERROR\r\nAT+C\r\r\nOK\r\n");
    bench.told(&["AT+A ok 10 first=10", "AT+B error 10 first=10", "AT+C ok 10 first=10"]);
    bench.write(b"AT+A\rAT+B\r").read(10, b"\r\nOK\r\n").read(10, b"\r\nERROR\r\n");
    bench.told(&["AT+A ok 10 first=10", "AT+B error 20 first=20"]);
}

#[test]
fn a_wrong_echo_is_no_evidence() {
    let mut bench = Bench::new();
    bench.write(b"AT+CSQ\r").read(10, b"AT+CXX\r\r\n+CSQ: 1,1\r\n\r\nOK\r\n");
    bench.told(&["AT+CSQ ok 10 first=10 lines=1"]);
}

#[test]
fn an_answer_may_overtake_its_command() {
    let mut bench = Bench::new();
    let write = Call { enter: at(100), exit: at(150), polled: Duration::ZERO, tid: 1 };
    let read = Call { enter: at(50), exit: at(130), polled: Duration::ZERO, tid: 2 };
    let bytes = b"AT+CSQ\r\r\n+CSQ: 1,1\r\n\r\nOK\r\n";
    bench.item(&Item::Data(Chunk { direction: Direction::Read, call: read, offset: 0, bytes }));
    bench.item(&Item::Data(Chunk { direction: Direction::Write, call: write, offset: 0, bytes: b"AT+CSQ\r" }));
    bench.told(&["AT+CSQ ok 0 first=0 lines=1"]);
    // Read before the write began: nobody asked.
    let read = Call { enter: at(9000), exit: at(9990), polled: Duration::ZERO, tid: 2 };
    let write = Call { enter: at(9995), exit: at(9999), polled: Duration::ZERO, tid: 1 };
    bench.item(&Item::Data(Chunk { direction: Direction::Read, call: read, offset: 0, bytes: b"\r\nOK\r\n" }));
    bench.item(&Item::Data(Chunk { direction: Direction::Write, call: write, offset: 0, bytes: b"AT\r" }));
    bench.told(&["unsolicited OK"]);
}

#[test]
fn a_program_that_misses_the_final_result_waits() {
    let mut bench = Bench::new();
    bench.write(b"AT+CSQ\r").poll(20_000).read(10, b"\r\n+CSQ: 20,99\r\n\r\nOK\r\n").poll(3_000_000).sleep(500);
    bench.told(&["AT+CSQ ok 20010 first=20010 lines=1"]);
    bench.write(b"AT\r").told(&["AT+CSQ program waited 3000000"]);
    // One that does not wait, and sleeps elsewhere.
    bench.poll(100).read(1, b"\r\nOK\r\n").sleep(5_000_000).write(b"AT\r").told(&["AT ok 101 first=101"]);
    // One that reads byte by byte has not waited for the line feed.
    bench.read(1, b"\r\nOK\r").poll(10).read(1, b"\n").write(b"AT\r").told(&["AT ok 1 first=1"]);
    // Many short polls are one wait; closing ends it.
    bench.read(1, b"\r\nOK\r\n").poll(100_000).sleep(9).poll(100_000).sleep(1000).close();
    bench.told(&["AT ok 1 first=1", "AT program waited 200000"]);
}

#[test]
fn an_answer_may_have_lain_unread() {
    let mut bench = Bench::new();
    // The bench's reads have no time of entry: only its polls can tell.
    bench.write(b"AT\r").sleep(400_000).poll(5).read(1, b"\r\nOK\r\n");
    bench.told(&["AT ok 400006 first=400006 unattended=400000"]);
    bench.write(b"AT\r").sleep(400_000).poll(5).sleep(70).poll(5).read(1, b"\r\nOK\r\n");
    bench.told(&["AT ok 400081 first=400081 unattended=70"]);
    bench.write(b"AT\r").sleep(400_000).poll(1_000).read(1, b"\r\nOK\r\n").told(&["AT ok 401001 first=401001"]);
}

#[test]
fn reads_of_nothing_are_a_wait_too() {
    let mut bench = Bench::new();
    bench.write(b"AT\r").empty_read().read(10, b"\r\nOK\r\n");
    for _ in 0..10 {
        bench.sleep(4_999).empty_read().sleep(5_000);
    }
    bench.close().told(&["AT ok 11 first=11", "AT program waited 95000"]);
}

#[test]
fn listeners_do_not_wait() {
    // A thread of its own.
    let mut bench = Bench::new();
    bench.write(b"AT\r").tid = 8;
    bench.read(10, b"\r\nOK\r\n").poll(5_000_000).tid = 7;
    bench.write(b"AT\r").told(&["AT ok 10 first=10"]);
    // An event loop is known after 30 s.
    let mut bench = Bench::new();
    bench.write(b"AT\r").read(10, b"\r\nOK\r\n").poll(20_000_000).poll(20_000_000).write(b"AT\r");
    bench.read(10, b"\r\nOK\r\n").poll(2_000_000).write(b"AT\r").told(&["AT ok 10 first=10", "AT ok 10 first=10"]);
    // Or by what it did before its first command.
    let mut bench = Bench::new();
    bench.poll(5).write(b"AT\r").poll(10).read(1, b"\r\nOK\r\n").poll(2_000_000).write(b"AT\r");
    bench.told(&["AT ok 11 first=11"]);
}

#[test]
fn a_device_that_is_pulled_hangs_up() {
    let mut bench = Bench::new();
    bench.write(b"AT\r").poll(2_000_000).empty_read().close().told(&["AT hangup 2000001"]);
    // Reads of nothing after a time-out of poll are a habit.
    bench.write(b"AT\r").poll(1_000_000).empty_read().poll(1_000_000).empty_read().close();
    bench.told(&["AT timeout 2000002"]);
}

#[test]
fn losses_are_told() {
    let mut bench = Bench::new();
    bench.write(b"AT+CSQ\r");
    let call = bench.call(10);
    let hole = Hole { direction: Direction::Read, call, offset: 0, len: 40, lost: true, resync: false };
    bench.item(&Item::Hole(hole));
    bench.read(10, b"9,99\r\n\r\nOK\r\n").told(&["incomplete 40", "AT+CSQ ok 20 first=10 lines=1 incomplete"]);
}

#[test]
fn a_terminal_is_not_at() {
    let mut bench = Bench::new();
    bench.write(b"user@host:~$ ").read(100, b"ls\r").write(b"ls\r\nCargo.toml\r\nsrc\r\nuser@host:~$ \r\n");
    assert_eq!(bench.tracker.verdict(), AtVerdict::NotAt);
    // A program that prints its dialogue on a terminal.
    let mut bench = Bench::new();
    for _ in 0..10 {
        bench.write(b"AT+CSQ\r\n").write(b"+CSQ: 20,99\r\nOK\r\n");
    }
    assert_eq!(bench.tracker.verdict(), AtVerdict::NotAt);
    bench.close().told(&[]);
    // Binary.
    let mut bench = Bench::new();
    bench.write(&[0x7E; 600]);
    assert_eq!(bench.tracker.verdict(), AtVerdict::NotAt);
    bench.close();
    assert_eq!(bench.tracker.verdict(), AtVerdict::Undecided);
    // A receiver of positions.
    bench.read(10, &b"$GPGGA,1,2,3\r\n".repeat(1200)).told(&[]);
    assert_eq!(bench.tracker.verdict(), AtVerdict::NotAt);
}

#[test]
fn settings_of_the_line_are_told_when_at_is_spoken() {
    let line = |baud: Option<u32>, stop_bits: u8| LineSettings {
        baud,
        data_bits: 8,
        parity: crate::observation::Parity::None,
        stop_bits,
        flow: crate::observation::FlowControl { hardware: false, software_out: false, software_in: false },
    };
    let mut bench = Bench::new();
    let set = |bench: &mut Bench, settings: LineSettings| {
        let mut out = Vec::new();
        bench.tracker.line_set(settings, at(bench.now), &mut out);
        let change = |one: &Observation| match one {
            Observation::Line(change) => (change.settings.to_string(), change.during_command),
            other => panic!("{other:?}"),
        };
        out.iter().map(change).collect::<Vec<_>>()
    };
    assert!(set(&mut bench, line(Some(9600), 1)).is_empty(), "it may be anything yet");
    let mut out = Vec::new();
    let call = bench.call(10);
    bench.tracker.on(&Item::Data(Chunk { direction: Direction::Write, call, offset: 0, bytes: b"AT\r" }), &mut out);
    let kept = out.iter().filter(|one| matches!(one, Observation::Line(_))).count();
    // Kept back until it was certain, and told once.
    let after = set(&mut bench, line(Some(115_200), 1));
    assert_eq!((kept, after.len()), (1, 1));
    assert_eq!(after, [(String::from("115200 8N1"), true)], "a command waits");
    assert!(set(&mut bench, line(Some(115_200), 1)).is_empty(), "the same again");
    bench.read(1000, b"\r\nOK\r\n");
    assert_eq!(set(&mut bench, line(None, 2)), [(String::from("115200 8N2"), false)], "the speed stays");
    bench.item(&Item::Closed { at: at(bench.now) });
    assert!(set(&mut bench, line(None, 2)).is_empty(), "another life, of which nothing is known");
}

/// As the extended APDU of a `AT+CSIM` may be: it has its answer, and so has what follows.
#[test]
fn a_very_long_command_is_one() {
    let mut bench = Bench::new();
    let long = format!("AT+CSIM=80000,\"{}\"\r", "A0".repeat(40_000));
    bench
        .write(long.as_bytes())
        .read(300, b"\r\n+CME ERROR: 4\r\n")
        .told(&["apdu SEARCH_BINARY 300 cme_error 40000/0", "AT+CSIM cme_4 300 first=300"]);
    bench.write(b"AT+CGMI\r").read(100, b"\r\nQuectel\r\n\r\nOK\r\n").told(&["AT+CGMI ok 100 first=100 lines=1"]);
}

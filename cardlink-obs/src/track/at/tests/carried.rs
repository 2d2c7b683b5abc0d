//! What commands carry: APDUs, and messages to the card.

use super::*;

#[test]
fn an_apdu_has_the_time_of_its_answer() {
    let mut bench = Bench::new();
    bench.write(b"AT+CSIM=14,\"00A40004022FE2\"\r").read(900, b"\r\n+CSIM: 4,\"6110\"\r\n").read(50, b"\r\nOK\r\n");
    bench.told(&["apdu SELECT 900 6110 7/2", "AT+CSIM ok 950 first=900 lines=1"]);
    bench.sleep(90).write(b"AT+CSIM=10,00C0000010\r");
    bench.read(400, b"\r\n+CSIM: 36,\"000102030405060708090A0B0C0D0E0F9000\"\r\n\r\nOK\r\n");
    bench.told(&["apdu GET_RESPONSE 400 9000 5/18 of=SELECT:2 program=100", "AT+CSIM ok 400 first=400 lines=1"]);
    // A wrong Le, and another channel in between.
    bench.write(b"AT+CSIM=10,\"00B0000000\"\r").read(10, b"\r\n+CSIM: 4,\"6C0A\"\r\n\r\nOK\r\n");
    bench.write(b"AT+CSIM=10,\"01B0000000\"\r").read(10, b"\r\n+CSIM: 4,\"6881\"\r\n\r\nOK\r\n");
    bench.write(b"AT+CSIM=10,\"00B000000A\"\r").read(10, b"\r\n+CSIM: 4,\"6700\"\r\n\r\nOK\r\n");
    let apdus: Vec<_> = bench.told.extract_if(.., |line| line.starts_with("apdu")).collect();
    assert_eq!(
        apdus,
        [
            "apdu READ_BINARY 10 6C0A 5/2 program=10",
            "apdu READ_BINARY 10 6881 5/2 channel=1 program=10",
            "apdu READ_BINARY 10 6700 5/2 of=READ_BINARY:2 program=10",
        ]
    );
}

#[test]
fn a_session_is_known_by_its_number() {
    for answer in ["+CCHO: 1", "1"] {
        let mut bench = Bench::new();
        bench.write(b"AT+CCHO=\"A0000000871002\"\r").read(10, format!("\r\n{answer}\r\n\r\nOK\r\n").as_bytes());
        bench.write(b"AT+CCHO=\"A0000005591010\"\r").read(10, b"\r\n+CCHO: 2\r\n\r\nOK\r\n").told.clear();
        bench.write(b"AT+CGLA=1,14,\"00A40004026F07\"\r").read(10, b"\r\n+CGLA: 4,\"6110\"\r\n\r\nOK\r\n");
        bench.write(b"AT+CGLA=2,10,\"80CA005A00\"\r").read(10, b"\r\n+CGLA: 4,\"6A88\"\r\n\r\nOK\r\n");
        bench.write(b"AT+CGLA=1,10,\"00C0000010\"\r").read(10, b"\r\n+CGLA: 4,\"6F00\"\r\n\r\nOK\r\n");
        bench.write(b"AT+CCHC=1\r").read(10, b"\r\nOK\r\n");
        bench.write(b"AT+CGLA=1,10,\"00B0000010\"\r").read(10, b"\r\n+CME ERROR: 21\r\n");
        let apdus: Vec<_> = bench.told.extract_if(.., |line| line.starts_with("apdu")).collect();
        assert_eq!(
            apdus,
            [
                "apdu SELECT 10 6110 7/2 session=1:A0000000871002 program=10",
                "apdu GET_DATA 10 6A88 5/2 session=2:A0000005591010 program=10",
                "apdu GET_RESPONSE 10 6F00 5/2 session=1:A0000000871002 of=SELECT:2 program=10",
                "apdu READ_BINARY 10 cme_error 5/0 session=1:? program=10",
            ]
        );
    }
}

#[test]
fn restricted_access_is_an_apdu_of_the_modems_own() {
    let mut bench = Bench::new();
    bench.write(b"AT+CRSM=176,12258,0,0,10\r").read(10, b"\r\n+CRSM: 144,0,\"98942000002143658709\"\r\n\r\nOK\r\n");
    bench.told(&["apdu READ_BINARY 10 9000 5/12", "AT+CRSM ok 10 first=10 lines=1"]);
    bench.write(b"AT+CRSM=214,28486,0,0,3,\"AABBCC\"\r").read(10, b"\r\n+CRSM: 105,130\r\n\r\nOK\r\n");
    bench.told(&["apdu UPDATE_BINARY 10 6982 8/2 program=10", "AT+CRSM ok 10 first=10 lines=1"]);
}

#[test]
fn apdus_without_an_answer() {
    for (answer, error) in
        [("\r\n+CME ERROR: 13\r\n", "cme_error"), ("\r\nERROR\r\n", "error"), ("\r\nOK\r\n", "unanswered")]
    {
        let mut bench = Bench::new();
        bench.write(b"AT+CSIM=10,\"00B0000000\"\r").read(10, answer.as_bytes());
        assert_eq!(bench.told.first().map(String::as_str), Some(&*format!("apdu READ_BINARY 10 {error} 5/0")));
    }
    let mut bench = Bench::new();
    bench.write(b"AT+CSIM=10,\"00B0000000\"\r").read(10, b"\r\n+CSIM: 6,\"9000\"\r\n\r\nOK\r\n");
    bench.told(&["apdu READ_BINARY 10 undecodable 5/0", "AT+CSIM ok 10 first=10 lines=1"]);
    bench.write(b"AT+CSIM=10,\"00B0000000\"\r").sleep(180_000_001).tick();
    bench.told(&["apdu READ_BINARY 180000000 timeout 5/0 program=10", "AT+CSIM timeout 180000000"]);
    // Its answer comes late, and the next command's is its own.
    bench.write(b"AT+CSIM=10,\"00B2010400\"\r").read(10, b"AT+CSIM=10,\"00B2010400\"\r");
    bench.read(10, b"\r\n+CSIM: 4,\"6A83\"\r\n\r\nOK\r\n").told.clear();
    let mut bench = Bench::new();
    bench.write(b"AT+CSIM=8,\"00B00000\"\r").sleep(5).close();
    bench.told(&["apdu READ_BINARY 5 timeout 4/0", "AT+CSIM timeout 5"]);
    // Not an APDU.
    let mut bench = Bench::new();
    bench.write(b"AT+CSIM=3,\"00B\"\r").read(10, b"\r\n+CME ERROR: 50\r\n").told(&["AT+CSIM cme_50 10 first=10"]);
    bench.write(b"AT+CSIM=?\r").read(10, b"\r\nOK\r\n").told(&["AT+CSIM ok 10 first=10"]);
}

#[test]
fn several_apdus_on_a_line() {
    let mut bench = Bench::new();
    bench.write(b"AT+CSIM=10,\"00B0000000\";+CSIM=10,\"00B2010400\";+CSIM=10,\"0084000008\"\r");
    bench.read(10, b"\r\n+CSIM: 4,\"6C0A\"\r\n").read(7, b"\r\n+CME ERROR: 13\r\n");
    bench.told(&[
        "apdu READ_BINARY 10 6C0A 5/2",
        "apdu READ_RECORD 7 cme_error 5/0",
        "AT+CSIM cme_13 17 first=10 lines=1 [AT+CSIM AT+CSIM AT+CSIM]",
    ]);
}

/// A data download for this application, in the clear.
fn download(tar: &str, secured: &str) -> String {
    let length = 15 + secured.len() / 2;
    let packet = format!("027000{:04X}0D00000000{tar}112233445500{secured}", length - 2);
    format!("0051000C919471103254767FF6A7{:02X}{packet}", packet.len() / 2)
}

#[test]
fn a_trigger_is_told_with_what_became_of_it() {
    let trigger = download("000001", "810A83088501418901 42".replace(' ', "").as_str());
    let mut bench = Bench::new();
    bench.write(b"AT+CMGS=44\r").read(10, b"\r\n> ").write(trigger.as_bytes()).write(b"\x1a");
    bench.read(3000, b"\r\n+CMGS: 7\r\n\r\nOK\r\n");
    bench.told(&["trigger scp81 000001 ok 3000 by AT+CMGS", "AT+CMGS ok 3030 first=10 lines=1 prompt=20"]);
    bench.write(b"AT+CMGS=44\r").read(10, b"\r\n> ").write(trigger.as_bytes()).write(b"\x1a");
    bench.read(3000, b"\r\n+CMS ERROR: 38\r\n");
    bench.told(&["trigger scp81 000001 cms_38 3000 by AT+CMGS", "AT+CMGS cms_38 3030 first=10 prompt=20"]);
    // It did not wait for the prompt.
    bench.write(b"AT+CMGS=44\r").write(trigger.as_bytes()).write(b"\x1a");
    bench.read(30, b"\r\n> \r\n+CMGS: 8\r\n\r\nOK\r\n");
    assert_eq!(bench.told.first().map(String::as_str), Some("trigger scp81 000001 ok 50 by AT+CMGS"));
    // Given up, refused before it was written, a text to somebody.
    let mut bench = Bench::new();
    bench.write(b"AT+CMGS=44\r").read(10, b"\r\n> ").write(trigger.as_bytes()).write(b"\x1b").read(9, b"\r\nOK\r\n");
    bench.write(b"AT+CMGS=44\r").read(10, b"\r\n+CMS ERROR: 304\r\n");
    bench.write(b"AT+CMGF=1\r").read(10, b"\r\nOK\r\n");
    bench.write(b"AT+CMGS=123\r").read(10, b"\r\n> ").write(trigger.as_bytes()).write(b"\x1a").read(9, b"\r\nOK\r\n");
    assert!(!bench.told.iter().any(|line| line.starts_with("trigger")), "{:?}", bench.told);
}

#[test]
fn a_trigger_is_sent_from_the_store() {
    let mut bench = Bench::new();
    for (place, trigger) in [(3, download("B20100", "80EC010104350103")), (4, download("B00010", "A0A40000023F00"))] {
        bench.write(b"AT+CMGW=40\r").read(10, b"\r\n> ").write(trigger.as_bytes()).write(b"\x1a");
        bench.read(10, format!("\r\n+CMGW: {place}\r\n\r\nOK\r\n").as_bytes());
    }
    assert!(!bench.told.iter().any(|line| line.starts_with("trigger")), "{:?}", bench.told);
    bench.told.clear();
    bench.write(b"AT+CMSS=3\r").read(2000, b"\r\n+CMSS: 9\r\n\r\nOK\r\n");
    bench.told(&["trigger bip B20100 ok 2000 by AT+CMSS", "AT+CMSS ok 2000 first=2000 lines=1"]);
    bench.write(b"AT+CMSS=4,\"+491701234567\"\r").read(2000, b"\r\n+CMS ERROR: 500\r\n");
    bench.told(&["trigger sms_pp B00010 cms_500 2000 by AT+CMSS", "AT+CMSS cms_500 2000 first=2000"]);
    bench.write(b"AT+CMSS=5\r").read(10, b"\r\n+CMSS: 9\r\n\r\nOK\r\n").told(&["AT+CMSS ok 10 first=10 lines=1"]);
}

use super::{AdminProtocol, Aid, NextUri, Request, Response, ScriptStatus};
use crate::protocol::{
    http::{HttpEvent, HttpReader, Limits, Method, RequestHead, ResponseHead},
    scp81::{
        Content, ContentKind, Note,
        tests::{COMMAND_TYPE, FROM, PROTOCOL, RESPONSE_TYPE},
    },
};

fn request(headers: &str) -> RequestHead {
    let text = format!("POST /server/adminagent?cmd=1 HTTP/1.1\r\nHost: 172.96.0.1\r\n{headers}\r\n");
    let mut found = None;
    HttpReader::requests(Limits::default()).push(text.as_bytes(), &mut |event| {
        if let HttpEvent::Request(head) = event {
            found = Some(head);
        }
    });
    found.expect("a request")
}

fn response(status: u16, headers: &str) -> ResponseHead {
    let text = format!("HTTP/1.1 {status} Whatever\r\n{headers}\r\n");
    let mut found = None;
    HttpReader::responses(Limits::default()).push(text.as_bytes(), &mut |event| {
        if let HttpEvent::Response(head) = event {
            found = Some(head);
        }
    });
    found.expect("a response")
}

#[test]
fn the_first_request_says_who_asks() {
    let found = Request::read(&request(&format!("{PROTOCOL}{FROM}"))).expect("remote administration");
    assert_eq!(found.protocol, Some(AdminProtocol::V1));
    assert!(found.agent.as_ref().is_some_and(|agent| agent.expose().starts_with(b"//se-id/eid/8900")));
    assert_eq!((found.script_status, found.resume, found.content.kind), (None, false, ContentKind::Missing));
    assert_eq!(found.notes, []);
    assert!(!format!("{found:?}").contains("8900"), "an identity shows");
    assert_eq!(Request::read(&request("Accept: */*\r\n")), None);
}

#[test]
fn later_requests_bring_scripts() {
    let headers = format!("{PROTOCOL}{RESPONSE_TYPE}X-Admin-Script-Status: ok\r\nContent-Length: 5\r\n");
    let found = Request::read(&request(&headers)).expect("remote administration");
    assert_eq!(found.script_status, Some(ScriptStatus::Ok));
    assert_eq!((found.content.kind, found.content.version), (ContentKind::CardContentResponse, Some((1, 0))));
    assert_eq!(found.notes, []);
}

#[test]
fn deviations_of_requests_are_noted() {
    let cases = [
        (FROM.to_owned(), vec![Note::MissingProtocol]),
        (format!("X-Admin-Protocol: GlobalPlatform-Remote-Admin / 1.0\r\n{FROM}"), vec![Note::LooseSpelling]),
        (format!("X-Admin-Protocol: globalplatform-remote-admin/2.0\r\n{FROM}"), vec![Note::UnknownProtocol]),
        (PROTOCOL.to_owned(), vec![Note::MissingFrom]),
        (format!("{PROTOCOL}{RESPONSE_TYPE}Content-Length: 5\r\n"), vec![Note::MissingScriptStatus]),
        (
            format!("{PROTOCOL}X-Admin-Script-Status: OK\r\nTransfer-Encoding: chunked\r\n"),
            vec![Note::LooseSpelling, Note::MissingContentType],
        ),
        (format!("{PROTOCOL}X-Admin-Script-Status: fine\r\n"), vec![Note::UnknownScriptStatus]),
        (format!("{PROTOCOL}{FROM}X-Admin-Resume: True\r\n"), vec![Note::LooseSpelling]),
        (format!("{PROTOCOL}{FROM}X-Admin-Resume: 1\r\n"), vec![Note::BadResume]),
        (
            format!("{PROTOCOL}X-Admin-Script-Status: ok\r\n{COMMAND_TYPE}Content-Length: 5\r\n"),
            vec![Note::ContentOfOtherDirection],
        ),
        (
            format!("{PROTOCOL}X-Admin-Script-Status: ok\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n"),
            vec![Note::UnknownContentType],
        ),
    ];
    for (headers, notes) in cases {
        let found = Request::read(&request(&headers)).expect("remote administration");
        assert_eq!(found.notes, notes, "{headers}");
    }
    let mut get = request(&format!("{PROTOCOL}{FROM}"));
    get.method = Method::Get;
    assert_eq!(Request::read(&get).expect("remote administration").notes, [Note::NotPost]);
}

#[test]
fn script_statuses_and_resume_are_read() {
    for (value, wanted) in [
        ("ok", ScriptStatus::Ok),
        ("unknown-application", ScriptStatus::UnknownApplication),
        ("not-a-security-domain", ScriptStatus::NotASecurityDomain),
        ("security-error", ScriptStatus::SecurityError),
        ("other", ScriptStatus::Other),
    ] {
        let headers = format!("{PROTOCOL}X-Admin-Script-Status: {value}\r\nX-Admin-Resume: true\r\n");
        let found = Request::read(&request(&headers)).expect("remote administration");
        assert_eq!((found.script_status, found.resume), (Some(wanted), true));
        assert_eq!(wanted.as_str(), value);
    }
}

#[test]
fn responses_say_where_to_go_on_and_for_whom_the_script_is() {
    let headers = format!(
        "{PROTOCOL}{COMMAND_TYPE}X-Admin-Next-URI: /server/adminagent?cmd=2\r\n\
         X-Admin-Targeted-Application: //aid/a000000559/1010FFFFFFFF8900000100\r\nContent-Length: 5\r\n"
    );
    let found = Response::read(&response(200, &headers)).expect("remote administration");
    assert_eq!(found.next_uri.as_ref().map(NextUri::expose), Some("/server/adminagent?cmd=2"));
    assert_eq!(found.targeted.as_ref().map(Aid::as_str), Some("A0000005591010FFFFFFFF8900000100"));
    assert_eq!((found.status, found.content.kind), (200, ContentKind::CardContent));
    assert_eq!(found.notes, []);
    assert!(!format!("{found:?}").contains("cmd=2"));
    assert_eq!(Response::read(&response(204, "")), None);
    let end = Response::read(&response(204, PROTOCOL)).expect("remote administration");
    assert_eq!((end.next_uri, end.notes), (None, vec![]));
}

#[test]
fn deviations_of_responses_are_noted() {
    let cases = [
        (500, PROTOCOL.to_owned(), vec![Note::UnusualStatus]),
        (200, COMMAND_TYPE.to_owned(), vec![Note::MissingProtocol]),
        (200, format!("{PROTOCOL}{RESPONSE_TYPE}Content-Length: 1\r\n"), vec![Note::ContentOfOtherDirection]),
        (200, format!("{PROTOCOL}Content-Length: 1\r\n"), vec![Note::MissingContentType]),
        (200, format!("{PROTOCOL}Content-Type: application/vnd.etsi.scp.command-data\r\n"), vec![Note::MissingVersion]),
        (
            200,
            format!("{PROTOCOL}Content-Type: application/vnd.etsi.scp.command-data;version=1.1\r\n"),
            vec![Note::UnknownVersion],
        ),
    ];
    for (status, headers, notes) in cases {
        let found = Response::read(&response(status, &headers)).expect("remote administration");
        assert_eq!(found.notes, notes, "{headers}");
    }
    for uri in [
        "//aid/A00000055/1010",
        "//aid/A000000559",
        "//aid/A000000559/101",
        "//aid/A000000559/10G0",
        "A000000559",
        "//äid/",
    ] {
        let headers = format!("{PROTOCOL}X-Admin-Targeted-Application: {uri}\r\n");
        let found = Response::read(&response(200, &headers)).expect("remote administration");
        assert_eq!((found.targeted, found.notes), (None, vec![Note::BadTargetedApplication]), "{uri}");
    }
}

#[test]
fn content_types_are_told_apart() {
    let cases = [
        ("application/vnd.globalplatform.card-content-mgt;version=1.0", ContentKind::CardContent, Some((1, 0)), false),
        (
            "Application/vnd.globalplatform.card-content-mgt; Version=\"1.0\"",
            ContentKind::CardContent,
            Some((1, 0)),
            true,
        ),
        (
            "application/vnd.etsi.scp.response-data;version=1.0",
            ContentKind::FileManagementResponse,
            Some((1, 0)),
            false,
        ),
        ("application/vnd.etsi.scp.command-data;version=x", ContentKind::FileManagement, None, false),
        ("application/octet-stream", ContentKind::Binary, None, false),
        ("text/html; charset=utf-8", ContentKind::Other, None, false),
        ("\u{e9}", ContentKind::Other, None, false),
    ];
    for (value, kind, version, loose) in cases {
        let headers = [("Content-Type", value.as_bytes())].into_iter().collect();
        assert_eq!(Content::read(&headers), Content { kind, version, loose }, "{value}");
    }
    assert!(ContentKind::Missing.may_hold_script(true) && !ContentKind::Missing.may_hold_script(false));
    assert!(!ContentKind::Other.may_hold_script(true) && ContentKind::FileManagement.may_hold_script(false));
}

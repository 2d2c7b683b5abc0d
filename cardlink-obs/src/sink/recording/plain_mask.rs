//! Masks the plaintext of one connection for a recording.

use crate::{
    protocol::{
        http::{HttpVerdict, looks_like_http},
        scp81::{Mask, MaskDirection},
    },
    sink::names::Names,
};

/// Both directions of a connection.
#[derive(Debug)]
pub struct PlainMask {
    /// Requests are what the watched program writes.
    requests_are_written: bool,
    mask: Mask,
}

impl PlainMask {
    /// For a connection whose first plaintext is `first`.
    pub fn new(write: bool, first: &[u8], names: &Names) -> Self {
        let response = looks_like_http(first) == Some(HttpVerdict::Response);
        let names = names.clone();
        Self {
            requests_are_written: write != response,
            mask: Mask::new(Box::new(move |agent| names.mask_agent(agent))),
        }
    }

    pub fn mask(&mut self, write: bool, bytes: &mut [u8]) {
        self.mask.mask(self.direction(write), bytes);
    }

    pub fn gap(&mut self, write: bool, len: u64) {
        self.mask.gap(self.direction(write), len);
    }

    const fn direction(&self, write: bool) -> MaskDirection {
        if write == self.requests_are_written { MaskDirection::Requests } else { MaskDirection::Responses }
    }
}

#[cfg(test)]
mod tests {
    use super::PlainMask;
    use crate::{
        observation::AgentId,
        protocol::http::{HttpEvent, HttpReader, Limits},
        sink::names::Names,
    };

    const AGENT: &str = "//se-id/eid/89001012012341234012345678901224";

    fn request() -> Vec<u8> {
        format!(
            "POST /server/8944501234567890123 HTTP/1.1\r\nX-Admin-Protocol: globalplatform-remote-admin/1.0\r\n\
             X-Admin-From: {AGENT}\r\nContent-Type: \
             application/vnd.globalplatform.card-content-mgt-response;version=1.0\r\nContent-Length: 13\r\n\r\n\
             \u{23}secret bytes"
        )
        .into_bytes()
    }

    fn response() -> Vec<u8> {
        let mut bytes = b"HTTP/1.1 200 OK\r\nX-Admin-Next-URI: /8944501234567890123\r\nContent-Type: \
            application/vnd.globalplatform.card-content-mgt;version=1.0\r\nContent-Length: 16\r\n\r\n"
            .to_vec();
        bytes.extend([0xAA, 0x0E, 0x22, 0x0C, 0x00, 0x20, 0x00, 0x01, 0x07]);
        bytes.extend(b"1234567");
        bytes
    }

    fn names() -> Names {
        Names::with_new_key(false).expect("random bytes")
    }

    fn agent_of(bytes: &[u8]) -> AgentId {
        let mut found = None;
        HttpReader::requests(Limits::default()).push(bytes, &mut |event| {
            if let HttpEvent::Request(head) = event {
                found = head.headers.get("X-Admin-From").map(|agent| AgentId::new(agent.to_vec()));
            }
        });
        found.expect("an agent id")
    }

    fn holds(bytes: &[u8], what: &str) -> bool {
        bytes.windows(what.len()).any(|window| window == what.as_bytes())
    }

    /// As the client sees it, and as the server does; whoever speaks first.
    #[test]
    fn nothing_that_names_a_card_or_is_a_secret_is_left_in_either_direction() {
        let names = names();
        for client in [true, false] {
            for response_first in [true, false] {
                let (mut asked, mut answered) = (request(), response());
                let first = if response_first { answered.clone() } else { asked.clone() };
                let mut mask = PlainMask::new(client != response_first, &first, &names);
                if response_first {
                    mask.mask(!client, &mut answered);
                    mask.mask(client, &mut asked);
                } else {
                    mask.mask(client, &mut asked);
                    mask.mask(!client, &mut answered);
                }
                assert_eq!((asked.len(), answered.len()), (request().len(), response().len()));
                for (bytes, secret) in [
                    (&asked, AGENT),
                    (&asked, "8944501234567890123"),
                    (&asked, "secret"),
                    (&answered, "8944501234567890123"),
                    (&answered, "1234567"),
                ] {
                    assert!(!holds(bytes, secret), "{}", String::from_utf8_lossy(bytes));
                }
                assert!(holds(&asked, "POST /server/") && holds(&answered, "HTTP/1.1 200 OK"));
                assert!(answered.ends_with(&[b'x'; 7]), "the header of the APDU stays: {answered:?}");
                assert!(answered.windows(6).any(|window| window == [0x0C, 0x00, 0x20, 0x00, 0x01, 0x07]));
            }
        }
    }

    #[test]
    fn an_agent_has_the_same_name_live_and_from_a_recording() {
        let names = names();
        let mut recorded = request();
        PlainMask::new(false, &request(), &names).mask(false, &mut recorded);
        let (live, again) = (agent_of(&request()), agent_of(&recorded));
        assert_ne!(live, again);
        assert_eq!(names.agent(&live), names.agent(&again));
        assert_eq!(names.agent(&live).len(), "agent-".len() + 12);
        // Masking what is masked, and reading it with another key, change nothing more.
        let mut twice = recorded.clone();
        PlainMask::new(false, &recorded, &names).mask(false, &mut twice);
        assert_eq!(names.agent(&agent_of(&twice)).len(), names.agent(&live).len());
        let other = Names::with_new_key(true).expect("random bytes");
        assert_eq!(other.agent(&again), names.agent(&live));
    }

    #[test]
    fn agents_of_any_length_have_names() {
        let names = names();
        for len in 0..40 {
            let agent = vec![b'a'; len];
            let masked = names.mask_agent(&agent);
            assert_eq!(masked.len(), len);
            assert_eq!(names.agent(&AgentId::new(agent)), names.agent(&AgentId::new(masked)), "{len} bytes");
        }
        assert_ne!(names.mask_agent(b"card one"), names.mask_agent(b"card two"));
    }

    #[test]
    fn after_a_gap_of_unknown_length_all_is_hidden() {
        let names = names();
        let mut mask = PlainMask::new(false, &request(), &names);
        let mut first = request();
        mask.mask(false, &mut first);
        mask.gap(false, 0);
        let mut second = request();
        mask.mask(false, &mut second);
        assert!(!holds(&second, AGENT) && !holds(&second, "8944501234567890123") && !holds(&second, "secret"));
    }
}

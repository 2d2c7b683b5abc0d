use super::{Place, TlsRedactor};

fn redactor() -> TlsRedactor {
    TlsRedactor::new(Box::new(|identity| vec![b'*'; identity.len()]))
}

fn place(offset: usize, total: usize) -> Place {
    Place { write: true, offset: offset as u64, total: total as u64, record_start: false }
}

/// All of `clear` in one chunk.
fn masked(clear: &[u8]) -> Vec<u8> {
    let mut bytes = clear.to_vec();
    redactor().mask(place(0, bytes.len()), &mut bytes);
    bytes
}

fn record(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind, 3, 3, 0, body.len() as u8], body].concat()
}

fn key_exchange(identity: &[u8]) -> Vec<u8> {
    let body = [&[0, identity.len() as u8], identity].concat();
    let message = [&[16, 0, 0, body.len() as u8], body.as_slice()].concat();
    [record(22, &message), record(20, &[1])].concat()
}

#[test]
fn the_identity_of_a_key_exchange_is_masked_and_nothing_else() {
    let clear = key_exchange(b"8988303000001234567");
    let bytes = masked(&clear);
    assert_eq!(bytes[11..30], *b"*******************");
    assert_eq!(bytes[..11], clear[..11]);
    assert_eq!(bytes[30..], clear[30..]);
}

#[test]
fn any_split_masks_the_same_bytes() {
    let mut clear = key_exchange(b"8988303000001234567");
    clear.extend(record(22, &[1; 12]));
    clear.extend(record(23, b"POST /agent HTTP/1.1"));
    let whole = masked(&clear);
    for at in 1..clear.len() {
        let mut bytes = clear.clone();
        let mut redactor = redactor();
        let (first, second) = bytes.split_at_mut(at);
        redactor.mask(place(0, first.len()), first);
        redactor.mask(place(at, second.len()), second);
        assert_eq!(bytes, whole, "split at {at}");
    }
}

#[test]
fn application_data_is_zeros_and_its_records_keep_their_shape() {
    let clear = [record(20, &[1]), record(23, b"secret"), record(21, &[1, 0])].concat();
    let bytes = masked(&clear);
    assert_eq!(bytes, [record(20, &[1]), record(23, &[0; 6]), record(21, &[1, 0])].concat());
}

#[test]
fn what_was_left_out_of_a_record_does_not_lose_the_next() {
    let mut redactor = redactor();
    let mut first = record(23, &[7; 100])[..20].to_vec();
    redactor.mask(Place { total: 105, ..place(0, 0) }, &mut first);
    let mut second = record(23, b"secret");
    redactor.mask(place(105, second.len()), &mut second);
    assert_eq!(second, record(23, &[0; 6]));
}

#[test]
fn after_a_loss_everything_is_zeros_until_a_record_starts() {
    let mut redactor = redactor();
    redactor.mask(place(0, 8), &mut record(22, &[9; 3]));
    let mut unknown = b"perhaps a secret".to_vec();
    redactor.mask(place(500, unknown.len()), &mut unknown);
    assert_eq!(unknown, [0; 16]);
    let mut alert = record(21, &[2, 20]);
    redactor.mask(Place { record_start: true, ..place(600, alert.len()) }, &mut alert);
    assert_eq!(alert, record(21, &[2, 20]));
}

#[test]
fn of_what_is_not_tls_the_first_bytes_are_kept() {
    assert_eq!(masked(b"GET /secret HTTP/1.1"), *b"GET /sec\0\0\0\0\0\0\0\0\0\0\0\0");
}

#[test]
fn a_hello_with_a_pre_shared_key_is_masked() {
    let psk = [&[0, 41][..], &[0, 15], &[0, 10], &[0, 4], b"card", &[1, 2, 3, 4], &[0, 1, 9]].concat();
    let extensions = [&[0, 23, 0, 0][..], &psk].concat();
    let body =
        [&[3, 3][..], &[7; 32], &[0], &[0, 2, 0x13, 0x01], &[1, 0], &[0, extensions.len() as u8], &extensions].concat();
    let message = [&[1, 0, 0, body.len() as u8][..], &body].concat();
    let clear = record(22, &message);
    let bytes = masked(&clear);
    let changed: Vec<usize> = (0..bytes.len()).filter(|i| bytes[*i] != clear[*i]).collect();
    assert_eq!(changed.len(), 4);
    assert_eq!(&clear[changed[0]..=changed[3]], b"card");
}

fn server_hello(suite: [u8; 2], session: usize) -> Vec<u8> {
    let body = [&[3, 3][..], &[7; 32], &[session as u8], &vec![9; session], &suite, &[0]].concat();
    record(22, &[&[2, 0, 0, body.len() as u8], body.as_slice()].concat())
}

/// What is kept of application data when ciphertext is wanted, both ways, the hello cut in two at each place.
fn kept(hello: &[u8]) -> Vec<Vec<u8>> {
    let data = record(23, b"POST /agent HTTP/1.1");
    let way = |write: bool, offset: usize, total: usize| Place { write, ..place(offset, total) };
    let mut kept = Vec::new();
    for at in 0..hello.len() {
        let mut redactor = TlsRedactor::keeping_ciphertext();
        let (mut first, mut second) = (hello[..at].to_vec(), hello[at..].to_vec());
        redactor.mask(way(true, 0, first.len()), &mut first);
        redactor.mask(way(true, at, second.len()), &mut second);
        assert_eq!([first, second].concat(), hello);
        let (mut written, mut read) = (data.clone(), data.clone());
        redactor.mask(way(true, hello.len(), data.len()), &mut written);
        redactor.mask(way(false, 0, data.len()), &mut read);
        kept.extend([written, read]);
    }
    kept
}

#[test]
fn ciphertext_is_kept_under_suites_that_encrypt_only() {
    let data = record(23, b"POST /agent HTTP/1.1");
    let zeros = record(23, &[0; 20]);
    for session in [0, 32] {
        // TLS_PSK_WITH_AES_128_CBC_SHA256, TLS_AES_128_GCM_SHA256.
        for suite in [[0x00, 0xAE], [0x13, 0x01]] {
            assert!(kept(&server_hello(suite, session)).iter().all(|one| *one == data), "{suite:?}");
        }
        // TLS_PSK_WITH_NULL_SHA256, TLS_ECDHE_PSK_WITH_NULL_SHA256, TLS_SHA256_SHA256.
        for suite in [[0x00, 0xB0], [0xC0, 0x3A], [0xC0, 0xB4]] {
            assert!(kept(&server_hello(suite, session)).iter().all(|one| *one == zeros), "{suite:?}");
        }
    }
    // No hello was seen: nobody can open it.
    assert!(kept(&record(20, &[1])).iter().all(|one| *one == zeros));
}

#[test]
fn with_ciphertext_the_identity_is_kept_and_what_is_not_tls_is_not() {
    let mut clear = key_exchange(b"8988303000001234567");
    TlsRedactor::keeping_ciphertext().mask(place(0, clear.len()), &mut clear);
    assert_eq!(clear, key_exchange(b"8988303000001234567"));
    let mut clear = b"POST /agent HTTP/1.1".to_vec();
    TlsRedactor::keeping_ciphertext().mask(place(0, clear.len()), &mut clear);
    assert_eq!(clear, b"POST /ag\0\0\0\0\0\0\0\0\0\0\0\0");
}

//! Key files in all formats.

use super::*;

const KEY: &str = "0123456789abcdef0123456789ABCDEF";

fn parse(text: &str) -> Keyring {
    Keyring::parse(text, None).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn error(text: &str, hint: Option<Format>) -> String {
    Keyring::parse(text, hint).expect_err("it is wrong").to_string()
}

fn key_of<'k>(keyring: &'k Keyring, identity: &[u8]) -> &'k [u8] {
    keyring.key(identity).expect("the identity is there").expose()
}

#[test]
fn every_format_says_the_same() {
    let files = [
        format!("# cards\ncard-01:{KEY}\n\n  card-02:00ff  # Rack 7 \n#ff00:{KEY}\nhex:6162:0A\n0x6364:0b\n"),
        format!(
            "---\n# cards\ncard-01: {KEY}\ncard-02: {{key: '00ff', alias: Rack 7}}\n0xff00: {KEY}\nhex:6162: 0A\n0x6364: \"0b\"\n"
        ),
        format!("card-01: {KEY}\ncard-02:\n  alias: Rack 7\n  key: 00ff\n\"hex:ff00\": {KEY}\nab: 0A\ncd: 0b\n"),
        format!(
            "# cards\ncard-01 = \"{KEY}\"\n\"hex:ff00\" = '{KEY}'\nab = '0A'\n\"0x6364\" = '0b'\n[card-02]\nkey = '00ff'\nalias = 'Rack 7'\n"
        ),
        format!(
            "{{\"card-01\": \"{KEY}\", \"0xff00\": \"{KEY}\", \"ab\": \"0A\", \"cd\": [\"0b\"],\n \"card-02\": {{\"key\": \"00ff\", \"alias\": \"Rack 7\"}}}}"
        ),
    ];
    for file in files {
        let keyring = parse(&file);
        assert_eq!(keyring.len(), 5, "{file}");
        let key = decode_hex(KEY.as_bytes()).expect("hex");
        assert_eq!(key_of(&keyring, b"card-01"), key.as_slice());
        assert_eq!(key_of(&keyring, b"card-02"), [0x00, 0xFF]);
        assert_eq!(keyring.alias(b"card-02"), Some("Rack 7"), "{file}");
        assert_eq!(keyring.alias(b"card-01"), None);
        assert_eq!(key_of(&keyring, &[0xFF, 0x00]), key.as_slice(), "{file}");
        assert_eq!((key_of(&keyring, b"ab"), key_of(&keyring, b"cd")), ([0x0A].as_slice(), [0x0B].as_slice()));
        assert!(keyring.key(b"card-03").is_none());
    }
}

#[test]
fn digits_that_yaml_would_take_for_numbers() {
    let keyring = parse("a: 00000000000000000000000000000012\nb: 1e10\nc: 0x10\n123: 77\n");
    assert_eq!(key_of(&keyring, b"a").len(), 16);
    assert_eq!(key_of(&keyring, b"b"), [0x1E, 0x10]);
    assert_eq!(key_of(&keyring, b"c"), [0x10]);
    assert_eq!(key_of(&keyring, b"123"), [0x77]);
}

#[test]
fn an_identity_may_have_several_keys() {
    for text in ["a:01\na:02\na:01\n", "a: ['01', '02']\n", "a:\n  keys: [01, 02]\n", "a = ['01', '02']"] {
        let keyring = parse(text);
        let keys: Vec<_> = keyring.keys(b"a").iter().map(Psk::expose).collect();
        assert_eq!(keys, [[1], [2]], "{text}");
        assert_eq!(keyring.iter().count(), 2);
    }
    assert_eq!(parse("{\"a\": \"01\", \"a\": \"02\"}").keys(b"a").len(), 2);
}

#[test]
fn files_without_a_key() {
    for (text, hint) in [
        ("", None),
        ("# nothing yet\n", None),
        ("\u{feff}\n", None),
        ("# nothing yet\n", Some(Format::Yaml)),
        ("---\n", Some(Format::Yaml)),
        ("", Some(Format::Toml)),
        ("{}", None),
    ] {
        assert!(Keyring::parse(text, hint).expect("it is not wrong").is_empty(), "{text:?}");
    }
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let yaml = Some(Format::Yaml);
    let cases = [
        (error("a:00\nb\n", None), "line 2: a line is to be `identity:hexkey`"),
        (error("a:00\nb:0\n", None), "line 2: the key has an odd number of hex digits"),
        (error("a:0g\n", None), "line 1: the key is not hex: it is to have the digits 0 to 9 and a to f only"),
        (error("a:00:11\n", None), "line 1: the key is not hex: it is to have the digits 0 to 9 and a to f only"),
        (error("a:\n", Some(Format::GnuTls)), "line 1: the key is empty"),
        (error(":00\n", None), "line 1: the identity is empty"),
        (error("\n0x123:00\n", None), "line 2: the identity is marked as hex and is not an even number of hex digits"),
        (
            error("a: 00\nb: [00, zz]\n", None),
            "line 2: the key is not hex: it is to have the digits 0 to 9 and a to f only",
        ),
        (error("a: 00\nb:\n  alias: x\n", None), "line 2: the entry has no key"),
        (error("- a\n- b\n", yaml), "the file is to be a map of PSK identities to keys"),
        (error("a: &k 00\nb: *k\n", None), "line 2: aliases and merges of YAML (`*`, `<<`) are not taken"),
        (error("a: 00\nb: [\n", None), "line 3: this is not YAML"),
        (error("a = '00'\nb = 00\n", None), "line 2: this is not TOML, or an identity stands twice in it"),
        (
            error("a = '00'\nb = 12\n", None),
            "line 2: the key is to be a text of hex digits in quotes, or a list of them",
        ),
        (
            error("\ncard.01 = '00'\n", None),
            "line 2: an entry has `key` (or `keys`) and `alias`, and no other field; an identity with a dot goes in quotes",
        ),
        (
            error("{\"a\": \"00\",\n\"b\": 12}", None),
            "entry 2: the key is to be a text of hex digits in quotes, or a list of them",
        ),
        (error("{\"a\": \"00\",\n\"b\"}", None), "line 2: this is not JSON"),
        (error("{\"a\": {\"key\": \"00\", \"alias\": 1}}", None), "entry 1: the alias is to be a text"),
    ];
    for (told, expected) in cases {
        assert_eq!(told, expected);
    }
}

#[test]
fn nothing_of_the_file_is_told() {
    let secret = "5ec2e75ec2e75ec2";
    for text in [
        format!("a:{secret}x\n"),
        format!("a: {secret}x\n"),
        format!("a: \"{secret}\n"),
        format!("{secret}\n"),
        format!("a = {secret}\n"),
        format!("a = '{secret}\n"),
        format!("{{\"a\": {secret}}}"),
        format!("{{\"a\": \"{secret}"),
    ] {
        for hint in [None, Some(Format::GnuTls), Some(Format::Yaml), Some(Format::Toml), Some(Format::Json)] {
            let Err(error) = Keyring::parse(&text, hint) else { continue };
            let told = format!("{error} {error:?}");
            assert!(!told.contains("5ec"), "{told}");
        }
    }
    let keyring = parse(&format!("card-01:{secret}\n"));
    let debug = format!("{keyring:?} {:?}", keyring.key(b"card-01"));
    assert_eq!(debug, "Keyring(1 identities) Some(Psk(8 bytes))");
}

#[test]
fn the_extension_of_the_name() {
    assert_eq!(Format::from_extension("YML"), Some(Format::Yaml));
    assert_eq!(Format::from_extension("toml"), Some(Format::Toml));
    assert_eq!(Format::from_extension("json"), Some(Format::Json));
    assert_eq!(Format::from_extension("psk"), None);
}

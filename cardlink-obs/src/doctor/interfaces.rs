//! What beside TLS and AT commands a program speaks that can be followed, by its ports, its name and its libraries.

use std::net::SocketAddr;

/// Something that is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interface {
    /// For the verdict: what the user will get.
    pub gives: &'static str,
    /// Where from.
    pub source: &'static str,
    ports: &'static [u16],
    programs: &'static [&'static str],
    libraries: &'static [&'static str],
}

const INTERFACES: [Interface; 6] = [
    Interface {
        gives: "statements of PostgreSQL",
        source: "from its protocol, on connections that are not encrypted",
        ports: &[5432],
        programs: &["postgres", "psql"],
        libraries: &["libpq.so"],
    },
    Interface {
        gives: "statements of MySQL or MariaDB",
        source: "from its protocol, on connections that are neither encrypted nor compressed",
        ports: &[3306],
        programs: &["mariadbd", "mysqld", "mariadb", "mysql"],
        libraries: &["libmariadb.so", "libmysqlclient.so"],
    },
    Interface {
        gives: "statements of SQLite",
        source: "by probes in its library (--sqlite-probes)",
        ports: &[],
        programs: &["sqlite3"],
        libraries: &["libsqlite3.so"],
    },
    Interface {
        gives: "APDUs of card readers",
        source: "from what programs ask of pcscd, and pcscd of readers on USB",
        ports: &[],
        programs: &["pcscd"],
        libraries: &["libpcsclite.so"],
    },
    Interface {
        gives: "adb operations",
        source: "from what clients ask of the adb server",
        ports: &[5037],
        programs: &["adb"],
        libraries: &[],
    },
    Interface {
        gives: "tests of pytest",
        source: "as they run, when it is pytest (--test-probes)",
        ports: &[],
        programs: &["pytest", "py.test"],
        libraries: &["libpython3", "CPython"],
    },
];

/// What a process has: the name of its program, the files of its libraries, the addresses of its sockets at either end.
pub fn of(comm: &str, libraries: &[String], addresses: &[SocketAddr]) -> Vec<Interface> {
    let speaks = |interface: &&Interface| {
        interface.programs.contains(&comm)
            || addresses.iter().any(|address| interface.ports.contains(&address.port()))
            || interface.libraries.iter().any(|wanted| libraries.iter().any(|library| library.contains(wanted)))
    };
    INTERFACES.iter().filter(speaks).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn a_program_is_known_by_its_port_its_name_or_its_libraries() {
        let gives = |comm: &str, libraries: &[&str], port: u16| -> Vec<&'static str> {
            let libraries: Vec<String> = libraries.iter().map(|name| (*name).to_owned()).collect();
            of(comm, &libraries, &[([127, 0, 0, 1], port).into()]).iter().map(|interface| interface.gives).collect()
        };
        assert_eq!(gives("server", &[], 5432), ["statements of PostgreSQL"]);
        assert_eq!(gives("postgres", &[], 6000), ["statements of PostgreSQL"]);
        assert_eq!(gives("tool", &["PC/SC (libpcsclite.so.1)"], 1), ["APDUs of card readers"]);
        assert_eq!(gives("adb", &[], 1), ["adb operations"]);
        assert!(gives("psk-server", &["OpenSSL (libssl.so.3)"], 8443).is_empty());
    }
}

//! SCP81 administration servers on TLS libraries that others wrote.
//!
//! They are the programs that are watched: they say nothing of what happened. The truth is the card's.

use crate::{
    Result,
    peers::Server,
    place::{self, Place},
};
use anyhow::{Context as _, bail, ensure};
use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    path::PathBuf,
    process::{Command, Output},
};

/// Whose TLS a server speaks, and how it moves bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdminServer {
    /// Python with sslpsk3: the system's libssl on a socket (`SSL_set_fd`), `SSL_read_ex` and `SSL_write_ex`, a thread for
    /// each connection.
    Sslpsk,
    /// Python's asyncio: the system's libssl with memory BIOs, one thread; `recv` and `send` are the event loop's.
    Asyncio,
    /// C with `GnuTLS`: `gnutls_record_recv` and `gnutls_record_send`, a thread for each connection.
    Gnutls,
    /// C with Mbed TLS: `mbedtls_ssl_read` and `mbedtls_ssl_write`, a thread for each connection.
    Mbedtls,
    /// C with wolfSSL: `wolfSSL_read` and `wolfSSL_write`, a thread for each connection.
    Wolfssl,
    /// Node.js: OpenSSL within the program, memory BIOs, `SSL_read` and `SSL_write`, one thread.
    Node,
}

/// A family of cipher suites, by the one of it that both ends are told to speak.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Suite {
    #[default]
    Cbc,
    Gcm,
    /// Authenticated, and readable on the wire.
    Null,
    /// With forward secrecy.
    EcdheCbc,
    /// Readable on the wire, for all its key exchange.
    EcdheNull,
    Tls13,
}

/// What a server is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminOptions {
    pub suite: Suite,
    /// Command scripts of a session, before the 204.
    pub exchanges: u32,
    /// The C-APDUs of each script, in hex; none for the servers' own, which are `lab-server`'s.
    pub script: Vec<String>,
    /// Bodies in chunks.
    pub chunked: bool,
    /// A child for each connection instead of a thread: the servers in C alone.
    pub fork: bool,
    /// It ends by itself then.
    pub max_seconds: u32,
}

impl Default for AdminOptions {
    fn default() -> Self {
        Self {
            suite: Suite::default(),
            exchanges: 1,
            script: Vec::new(),
            chunked: false,
            fork: false,
            max_seconds: 120,
        }
    }
}

impl Suite {
    pub const ALL: [Self; 6] = [Self::Cbc, Self::Gcm, Self::Null, Self::EcdheCbc, Self::EcdheNull, Self::Tls13];

    /// IANA name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cbc => "TLS_PSK_WITH_AES_128_CBC_SHA256",
            Self::Gcm => "TLS_PSK_WITH_AES_128_GCM_SHA256",
            Self::Null => "TLS_PSK_WITH_NULL_SHA256",
            Self::EcdheCbc => "TLS_ECDHE_PSK_WITH_AES_128_CBC_SHA256",
            Self::EcdheNull => "TLS_ECDHE_PSK_WITH_NULL_SHA256",
            Self::Tls13 => "TLS_AES_128_GCM_SHA256",
        }
    }

    /// The words that make `lab-card` ask for this suite alone.
    pub fn card(self) -> String {
        match self {
            Self::Tls13 => format!("--min-version 1.3 --max-version 1.3 --ciphersuites {}", self.name()),
            _ => format!("--ciphers {}", self.openssl()),
        }
    }

    const fn openssl(self) -> &'static str {
        match self {
            Self::Cbc => "PSK-AES128-CBC-SHA256",
            Self::Gcm | Self::Tls13 => "PSK-AES128-GCM-SHA256",
            Self::Null => "PSK-NULL-SHA256:@SECLEVEL=0",
            Self::EcdheCbc => "ECDHE-PSK-AES128-CBC-SHA256",
            Self::EcdheNull => "ECDHE-PSK-NULL-SHA256:@SECLEVEL=0",
        }
    }

    /// A priority string.
    fn gnutls(self) -> String {
        let suite = match self {
            Self::Cbc => "+VERS-TLS1.2:+PSK:+AES-128-CBC:+SHA256",
            Self::Gcm => "+VERS-TLS1.2:+PSK:+AES-128-GCM:+AEAD",
            Self::Null => "+VERS-TLS1.2:+PSK:+NULL:+SHA256",
            Self::EcdheCbc => "+VERS-TLS1.2:+ECDHE-PSK:+AES-128-CBC:+SHA256",
            Self::EcdheNull => "+VERS-TLS1.2:+ECDHE-PSK:+NULL:+SHA256",
            Self::Tls13 => "+VERS-TLS1.3:+ECDHE-PSK:+PSK:+AES-128-GCM:+AEAD",
        };
        format!("NONE:{suite}:+COMP-NULL:+SIGN-ALL:+GROUP-ALL")
    }

    /// `TLS-PSK-WITH-…`.
    fn mbedtls(self) -> String {
        self.name().replace('_', "-")
    }

    const fn wolfssl(self) -> &'static str {
        match self {
            Self::Cbc => "PSK-AES128-CBC-SHA256",
            Self::Gcm => "PSK-AES128-GCM-SHA256",
            Self::Null => "PSK-NULL-SHA256",
            Self::EcdheCbc => "ECDHE-PSK-AES128-CBC-SHA256",
            Self::EcdheNull => "ECDHE-PSK-NULL-SHA256",
            Self::Tls13 => "TLS13-AES128-GCM-SHA256",
        }
    }
}

impl AdminServer {
    pub const ALL: [Self; 6] = [Self::Sslpsk, Self::Asyncio, Self::Gnutls, Self::Mbedtls, Self::Wolfssl, Self::Node];

    /// The families that it offers. Debian's Mbed TLS is built without NULL ciphers, and is too old for TLS 1.3; its wolfSSL
    /// is built without plain PSK suites.
    pub const fn suites(self) -> &'static [Suite] {
        match self {
            Self::Sslpsk | Self::Asyncio | Self::Gnutls | Self::Node => &Suite::ALL,
            Self::Mbedtls => &[Suite::Cbc, Suite::Gcm, Suite::EcdheCbc],
            Self::Wolfssl => &[Suite::EcdheCbc, Suite::EcdheNull, Suite::Tls13],
        }
    }

    /// Starts it on a port of its own, with the place's keys.
    pub fn start(self, place: &Place, options: &AdminOptions) -> Result<Server> {
        let mut command = self.command(place)?;
        command.arg("0").arg(place.path("psk"));
        command.arg("--exchanges").arg(options.exchanges.to_string());
        command.arg("--max-seconds").arg(options.max_seconds.to_string());
        if !options.script.is_empty() {
            command.arg("--script").arg(options.script.join(","));
        }
        if options.chunked {
            command.arg("--chunked");
        }
        if options.fork {
            ensure!(matches!(self, Self::Gnutls | Self::Mbedtls | Self::Wolfssl), "{self:?} does not fork");
            command.arg("--fork");
        }
        match self {
            Self::Sslpsk | Self::Asyncio | Self::Node => {
                let version = if options.suite == Suite::Tls13 { "1.3" } else { "1.2" };
                command.args(["--tls", version, "--ciphers"]).arg(self.openssl_list(options.suite));
            }
            Self::Gnutls => {
                command.arg("--ciphers").arg(options.suite.gnutls());
            }
            Self::Mbedtls => {
                command.arg("--ciphers").arg(options.suite.mbedtls());
            }
            Self::Wolfssl => {
                command.arg("--ciphers").arg(options.suite.wolfssl());
            }
        }
        Server::that_says_where(&mut command)
    }

    /// Node.js takes the suites of TLS 1.3 in the same list as the others.
    const fn openssl_list(self, suite: Suite) -> &'static str {
        match (self, suite) {
            (Self::Node, Suite::Tls13) => suite.name(),
            _ => suite.openssl(),
        }
    }

    fn command(self, place: &Place) -> Result<Command> {
        match self {
            Self::Sslpsk => python(place, "scp81_sslpsk.py", include_str!("../peers/scp81_sslpsk.py")),
            Self::Asyncio => python(place, "scp81_asyncio.py", include_str!("../peers/scp81_asyncio.py")),
            Self::Gnutls => Ok(Command::new(GNUTLS.program(place)?)),
            Self::Mbedtls => Ok(Command::new(MBEDTLS.program(place)?)),
            Self::Wolfssl => Ok(Command::new(WOLFSSL.program(place)?)),
            Self::Node => {
                let mut command = Command::new(place::node()?);
                let script = place.path("scp81_node.js");
                std::fs::write(&script, include_str!("../peers/scp81_node.js"))?;
                command.arg(script);
                Ok(command)
            }
        }
    }
}

fn python(place: &Place, name: &str, script: &str) -> Result<Command> {
    std::fs::write(place.path("scp81_admin.py"), include_str!("../peers/scp81_admin.py"))?;
    let file = place.path(name);
    std::fs::write(&file, script)?;
    let mut command = Command::new(place::python()?);
    command.arg(file);
    Ok(command)
}

/// A server in C: compiled once for each state of its sources.
struct InC {
    name: &'static str,
    source: &'static str,
    libraries: &'static [&'static str],
    /// Debian's, with the headers.
    package: &'static str,
}

const HEADER: &str = include_str!("../peers/scp81_admin.h");

const GNUTLS: InC = InC {
    name: "scp81_gnutls",
    source: include_str!("../peers/scp81_gnutls.c"),
    libraries: &["-lgnutls"],
    package: "libgnutls28-dev",
};

const MBEDTLS: InC = InC {
    name: "scp81_mbedtls",
    source: include_str!("../peers/scp81_mbedtls.c"),
    libraries: &["-lmbedtls", "-lmbedx509", "-lmbedcrypto"],
    package: "libmbedtls-dev",
};

const WOLFSSL: InC = InC {
    name: "scp81_wolfssl",
    source: include_str!("../peers/scp81_wolfssl.c"),
    libraries: &["-lwolfssl"],
    package: "libwolfssl-dev",
};

impl InC {
    fn program(&self, place: &Place) -> Result<PathBuf> {
        let mut hasher = DefaultHasher::new();
        (HEADER, self.source, self.libraries).hash(&mut hasher);
        let folder = place::peers()?;
        let program = folder.join(format!("{}-{:016x}", self.name, hasher.finish()));
        if program.is_file() {
            return Ok(program);
        }
        std::fs::write(place.path("scp81_admin.h"), HEADER)?;
        let source = place.path(&format!("{}.c", self.name));
        std::fs::write(&source, self.source)?;
        let compiler = place::peer("cc", "gcc")?;
        let mut compile = Command::new(compiler);
        // What it says is looked at.
        compile.env("LC_ALL", "C");
        let object = folder.join(format!("{}-{}.new", self.name, std::process::id()));
        compile.args(["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-o"]).arg(&object).arg(source);
        let output = compile.args(self.libraries).arg("-lpthread").output().context("cannot run cc")?;
        self.compiled(&output)?;
        // Others may be at it, too: each puts a whole program there.
        std::fs::rename(object, &program)?;
        Ok(program)
    }

    fn compiled(&self, output: &Output) -> Result {
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        // The linker says of a library, too, that there is no such file.
        let library = said.contains("cannot find -l");
        if library || said.contains("No such file or directory") {
            let what = if library { "a library" } else { "a header" };
            bail!(
                "{} needs {what} that is not here: install the package {} (or run `cargo xtask setup peers`)\n{said}",
                self.name,
                self.package
            );
        }
        bail!("{} cannot be compiled:\n{said}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::InC;
    use crate::{Result, place::Place};

    #[test]
    fn what_is_missing_is_named_with_its_package() -> Result {
        let place = Place::without_agent()?;
        let program = |source, libraries| InC { name: "nothing", source, libraries, package: "libnothing-dev" };
        let cases = [
            (program("#include <no/such/header.h>\n", &[]), "a header"),
            (program("int main(void) { return 0; }\n", &["-lno-such-library"]), "a library"),
        ];
        for (program, what) in cases {
            let error =
                program.program(&place).map_or_else(|error| error.to_string(), |path| path.display().to_string());
            let wanted = format!("nothing needs {what} that is not here: install the package libnothing-dev");
            assert!(error.starts_with(&wanted), "{error}");
        }
        Ok(())
    }
}

//! Linux errno values that say something of the peer; the same on every architecture that eBPF runs on but MIPS, SPARC
//! and Alpha.

macro_rules! errnos {
    ($($name:ident = $number:literal;)*) => {
        $(pub const $name: i32 = $number;)*

        /// Its name.
        pub const fn name(errno: i32) -> Option<&'static str> {
            match errno {
                $($name => Some(stringify!($name)),)*
                _ => None,
            }
        }
    };
}

errnos! {
    EPERM = 1;
    ENOENT = 2;
    EAGAIN = 11;
    ENOMEM = 12;
    EACCES = 13;
    ENOTDIR = 20;
    EPIPE = 32;
    ENAMETOOLONG = 36;
    ELOOP = 40;
    ENONET = 64;
    EPROTO = 71;
    EPROTOTYPE = 91;
    EADDRINUSE = 98;
    EADDRNOTAVAIL = 99;
    ENETDOWN = 100;
    ENETUNREACH = 101;
    ECONNABORTED = 103;
    ECONNRESET = 104;
    ENOBUFS = 105;
    ETIMEDOUT = 110;
    ECONNREFUSED = 111;
    EHOSTDOWN = 112;
    EHOSTUNREACH = 113;
}

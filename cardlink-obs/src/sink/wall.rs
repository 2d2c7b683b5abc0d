//! Kernel time becomes wall time once, here.

use crate::observation::Stamp;
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use nix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// The offset between the clock since boot and the wall clock; refreshed, so that suspend and NTP steps do not smear.
#[derive(Debug, Clone)]
pub struct WallClock {
    /// Nanoseconds of the epoch at boot.
    boot: i128,
    /// This host's, and not a recording's.
    live: bool,
    zone: TimeZone,
}

impl WallClock {
    /// The clock of this host, now.
    pub fn of_this_host() -> Self {
        Self { boot: boot_nanos(), live: true, zone: TimeZone::system() }
    }

    /// The same clock, read in another time zone; in that of this host when there is none of this name.
    #[must_use]
    pub fn in_zone(mut self, name: &str) -> Self {
        if let Ok(zone) = TimeZone::get(name) {
            self.zone = zone;
        }
        self
    }

    /// The name of this host's, or this user's, time zone, when it has one.
    pub fn zone_name() -> Option<String> {
        TimeZone::system().iana_name().map(str::to_owned)
    }

    /// A clock that was recorded.
    pub fn recorded(boot: i128) -> Self {
        Self { boot, live: false, zone: TimeZone::system() }
    }

    /// Nanoseconds of the epoch at boot.
    pub const fn boot(&self) -> i128 {
        self.boot
    }

    /// It is this host's, and not a recording's.
    pub const fn is_live(&self) -> bool {
        self.live
    }

    /// Reads the offset anew; that of a recording stays.
    pub fn refresh(&mut self) {
        if self.live {
            self.boot = boot_nanos();
        }
    }

    fn timestamp(&self, stamp: Stamp) -> Timestamp {
        let nanos = self.boot + i128::from(stamp.as_nanos());
        Timestamp::from_nanosecond(nanos).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// `14:03:07.112`, local.
    pub fn time_of_day(&self, stamp: Stamp) -> String {
        self.timestamp(stamp).to_zoned(self.zone.clone()).strftime("%H:%M:%S%.3f").to_string()
    }

    /// ISO 8601 in UTC, microseconds.
    pub fn iso(&self, stamp: Stamp) -> String {
        self.timestamp(stamp).strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
    }

    /// Seconds of the epoch.
    pub fn epoch_seconds(&self, stamp: Stamp) -> f64 {
        SignedDuration::from_nanos_i128(self.boot + i128::from(stamp.as_nanos())).as_secs_f64()
    }
}

fn boot_nanos() -> i128 {
    let nanos =
        |clock| clock_gettime(clock).map_or(0, |time| i128::try_from(Duration::from(time).as_nanos()).unwrap_or(0));
    nanos(ClockId::CLOCK_REALTIME) - nanos(ClockId::CLOCK_BOOTTIME)
}

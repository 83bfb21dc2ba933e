//! `Date` (RFC 9110 §5.6.7, IMF-fixdate).

use core::fmt;

/// 29 bytes such as `Sun, 06 Nov 1994 08:49:37 GMT`; made once a second, copied into every answer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct HttpDate([u8; Self::LEN]);

impl HttpDate {
    /// The bytes of a date.
    pub const LEN: usize = 29;
    /// 9999-12-31T23:59:59Z: the last second with a four-digit year.
    const MAX: u64 = 253_402_300_799;

    /// The date `seconds` after 1970-01-01T00:00:00Z; the end of the year 9999 if it is later.
    #[must_use]
    pub fn from_unix_seconds(seconds: u64) -> Self {
        let seconds = seconds.min(Self::MAX);
        let (days, second) = (seconds / 86_400, seconds % 86_400);
        let (year, month, day) = civil(days);
        // 1970-01-01 was a Thursday.
        let weekday = name(b"ThuFriSatSunMonTueWed", days % 7);
        let month = name(b"JanFebMarAprMayJunJulAugSepOctNovDec", month);
        let mut text = *b"Sun, 06 Nov 1994 08:49:37 GMT";
        let [d, o] = two(day);
        let ([y, e], [a, r]) = (two(year / 100), two(year % 100));
        let [h, i] = two(second / 3600);
        let [m, n] = two(second / 60 % 60);
        let [s, c] = two(second % 60);
        let fields = [
            (0, &weekday[..]),
            (5, &[d, o]),
            (8, &month[..]),
            (12, &[y, e, a, r]),
            (17, &[h, i]),
            (20, &[m, n]),
            (23, &[s, c]),
        ];
        for (at, field) in fields {
            for (slot, byte) in text.iter_mut().skip(at).zip(field) {
                *slot = *byte;
            }
        }
        Self(text)
    }

    /// The text.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}

impl fmt::Debug for HttpDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(core::str::from_utf8(&self.0).unwrap_or_default())
    }
}

/// Year, month (0 = January) and day (from 1) of a day after the epoch: the calendar repeats every
/// 400 years, and in years that begin in March the leap day comes last.
fn civil(days: u64) -> (u64, u64, u64) {
    // 719,468 days from 0000-03-01 to the epoch.
    let days = days.saturating_add(719_468);
    let (era, day) = (days / 146_097, days % 146_097);
    let leaps = (day / 1460).saturating_sub(day / 36_524);
    let leaps = leaps.saturating_add(day / 146_096);
    let year = day.saturating_sub(leaps) / 365;
    let leap_days = (year / 4).saturating_sub(year / 100);
    let day = day.saturating_sub(year.saturating_mul(365).saturating_add(leap_days));
    // Months of 31 and 30 days in turn, five months to 153 days.
    let month = day.saturating_mul(5).saturating_add(2) / 153;
    let past = month.saturating_mul(153).saturating_add(2) / 5;
    let day = day.saturating_sub(past).saturating_add(1);
    let year = year.saturating_add(era.saturating_mul(400));
    if month < 10 {
        (year, month.saturating_add(2), day)
    } else {
        (year.saturating_add(1), month.saturating_sub(10), day)
    }
}

/// The `at`th name of three letters.
fn name(names: &[u8], at: u64) -> [u8; 3] {
    let at = usize::try_from(at).unwrap_or(0);
    let name = names.chunks_exact(3).nth(at);
    name.and_then(|name| name.try_into().ok())
        .unwrap_or(*b"???")
}

/// Two digits of a number below 100.
const fn two(n: u64) -> [u8; 2] {
    [b'0' | (n / 10 % 10) as u8, b'0' | (n % 10) as u8]
}

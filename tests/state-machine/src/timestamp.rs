//! Timestamps as Step Functions and JSONata write them: `2026-11-21T15:34:28.000Z`.

const MS_PER_DAY: i64 = 86_400_000;
/// The years that four digits can name.
const YEARS: std::ops::RangeInclusive<i64> = 0..=9999;

/// Milliseconds since 1970 as a timestamp in UTC; `None` outside the years 0 to 9999.
pub(crate) fn to_text(millis: i64) -> Option<String> {
    let (day, within) = (millis.div_euclid(MS_PER_DAY), millis.rem_euclid(MS_PER_DAY));
    let (year, month, day) = date(day);
    let (hour, minute) = (within / 3_600_000, within / 60_000 % 60);
    let (second, milli) = (within / 1000 % 60, within % 1000);
    YEARS
        .contains(&year)
        .then(|| format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z"))
}

/// Milliseconds since 1970 of a timestamp in UTC, with or without a fraction, which is cut off after three digits.
pub(crate) fn from_text(text: &str) -> Option<i64> {
    let (date_part, time_part) = text.strip_suffix('Z')?.split_once('T')?;
    let (time_part, fraction) = time_part.split_once('.').map_or((time_part, "0"), |(time, fraction)| (time, fraction));
    let [year, month, day] = digits(date_part, '-', [4, 2, 2])?;
    let [hour, minute, second] = digits(time_part, ':', [2, 2, 2])?;
    if fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let milli: i64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    let days = days_since_1970(year, month, day);
    let real = date(days) == (year, month, day) && hour < 24 && minute < 60 && second < 60;
    real.then(|| days * MS_PER_DAY + hour * 3_600_000 + minute * 60_000 + second * 1000 + milli)
}

fn digits(text: &str, separator: char, lengths: [usize; 3]) -> Option<[i64; 3]> {
    let mut found = [0; 3];
    let mut parts = text.split(separator);
    for (number, length) in found.iter_mut().zip(lengths) {
        let part = parts.next()?;
        if part.len() != length || !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        *number = part.parse().ok()?;
    }
    parts.next().is_none().then_some(found)
}

/// Years are counted from March here, so that a leap day comes last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let shifted = if month > 2 { year } else { year - 1 };
    let (era, of_era) = (shifted.div_euclid(400), shifted.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

fn date(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

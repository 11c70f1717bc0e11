//! A calendar day, as the datasets' names write it.

use std::fmt;

/// A day of the proleptic Gregorian calendar. Shown as `2018-04-01`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date {
    days_since_1970: i64,
}

/// Days in the 400 years after which the calendar repeats itself.
const CYCLE_DAYS: i64 = 146_097;
/// Days from the first of March of the year 0 to the first of January 1970. A year that begins in March has its leap
/// day at its end, where it disturbs nothing.
const EPOCH: i64 = 719_468;

impl Date {
    /// The day of a year, month (1 to 12) and day of the month; `None` where the calendar has no such day.
    pub const fn new(year: i32, month: u8, day: u8) -> Option<Self> {
        if month < 1 || month > 12 || day < 1 || day > days_in(year, month) {
            return None;
        }
        let years = year as i64 - if month <= 2 { 1 } else { 0 };
        let cycle = years.div_euclid(400);
        let year_of_cycle = years.rem_euclid(400);
        let month_from_march = (month as i64 + 9) % 12;
        let day_of_year = (153 * month_from_march + 2) / 5 + day as i64 - 1;
        let day_of_cycle = year_of_cycle * 365 + year_of_cycle / 4 - year_of_cycle / 100 + day_of_year;
        Some(Self { days_since_1970: cycle * CYCLE_DAYS + day_of_cycle - EPOCH })
    }

    /// The day that is shown as this text.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '-');
        let (year, month, day) =
            (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        Self::new(year, month, day).filter(|date| date.to_string() == text)
    }

    /// Days since the first of January 1970.
    pub const fn days_since_1970(self) -> i64 {
        self.days_since_1970
    }

    /// The day that comes `days` later.
    pub const fn plus_days(self, days: u32) -> Self {
        Self { days_since_1970: self.days_since_1970 + days as i64 }
    }

    fn year_month_day(self) -> (i64, i64, i64) {
        let days = self.days_since_1970 + EPOCH;
        let (cycle, day_of_cycle) = (days.div_euclid(CYCLE_DAYS), days.rem_euclid(CYCLE_DAYS));
        let leap_days = day_of_cycle / 1_460 - day_of_cycle / 36_524 + day_of_cycle / 146_096;
        let year_of_cycle = (day_of_cycle - leap_days) / 365;
        let day_of_year = day_of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let month = (month_from_march + 2) % 12 + 1;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        (cycle * 400 + year_of_cycle + i64::from(month <= 2), month, day)
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.year_month_day();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

const fn days_in(year: i32, month: u8) -> u8 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Consecutive days have consecutive names, through leap years and ends of centuries.
    #[test]
    fn days_follow_one_another() {
        let mut day = Date::new(1896, 1, 1).unwrap();
        for year in 1896..=2104 {
            for month in 1..=12 {
                for date in 1..=days_in(year, month) {
                    assert_eq!(day.to_string(), format!("{year:04}-{month:02}-{date:02}"));
                    assert_eq!(Date::new(year, month, date), Some(day));
                    day = day.plus_days(1);
                }
            }
        }
    }

    /// The count of days starts at 1970.
    #[test]
    fn the_count_starts_at_1970() {
        assert_eq!(Date::new(1970, 1, 1).unwrap().days_since_1970(), 0);
        assert_eq!(Date::new(2018, 4, 1).unwrap().days_since_1970(), 17_622);
    }

    /// What is not in the calendar is no date.
    #[test]
    fn impossible_dates_are_refused() {
        for (year, month, day) in
            [(2018, 0, 1), (2018, 13, 1), (2018, 4, 0), (2018, 4, 31), (2018, 2, 29), (1900, 2, 29)]
        {
            assert_eq!(Date::new(year, month, day), None, "{year}-{month}-{day}");
        }
        assert!(Date::new(2000, 2, 29).is_some());
    }
}

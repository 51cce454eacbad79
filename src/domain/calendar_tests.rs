//! Slots through clock changes, in every zone there is.

use chrono::{Duration, NaiveDate, TimeZone};
use chrono_tz::{TZ_VARIANTS, Tz};
use proptest::prelude::*;

use super::{Recurrence, Slot, Slots, TimeOfDay, Timestamp, clock_changes, first_at, instant_of, parse_zone};

fn time(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn daily(at: &str, zone: &str) -> Slots {
    Slots {
        recurrence: Recurrence::DAILY,
        at: TimeOfDay::parse(at).unwrap(),
        zone: parse_zone(zone).unwrap(),
    }
}

/// The slots from `after` on as a scheduler meets them: each comes after the one before, by instant and by date.
fn walk(slots: Slots, after: Timestamp) -> impl Iterator<Item = Slot> {
    let mut last: Option<Slot> = None;
    std::iter::from_fn(move || {
        let slot = slots.next(last.map_or(after, |last| last.at), last.map(|last| last.date))?;
        last = Some(slot);
        Some(slot)
    })
}

/// What must hold for one slot of a daily schedule and the one before.
fn check(slots: &Slots, slot: Slot, before: Option<Slot>) {
    let Slots { at, zone, .. } = slots;
    let shown = || format!("{} at {at} {zone}: {} is {}", slot.date, slot.at, slot.at.in_zone(*zone));
    let wanted = slot.date.and_time(chrono::NaiveTime::MIN + Duration::minutes(at.minutes()));
    let local = slot.at.in_zone(*zone).naive_local();
    assert!(local >= wanted, "never before the wanted local time: {}", shown());
    let is_there = zone.from_local_datetime(&wanted).earliest();
    match is_there {
        Some(earliest) => {
            assert_eq!(local, wanted, "{}", shown());
            assert_eq!(
                slot.at.millis(),
                earliest.timestamp_millis(),
                "the first, where it comes twice: {}",
                shown()
            );
        }
        // The clock shows the wanted time or more at this minute, and less at the one before.
        None => {
            let minute_before = slot.at.plus_millis(-60_000).in_zone(*zone).naive_local();
            assert!(minute_before < wanted, "the next that exists: {}", shown());
        }
    }
    let Some(before) = before else { return };
    assert!(slot.at > before.at && slot.date > before.date, "{} after {}", shown(), before.at);
    // A day without a slot of its own is one that the zone skipped, or that ended with the next day's first instant.
    for skipped in before.date.iter_days().skip(1).take_while(|date| *date < slot.date) {
        let instant = instant_of(skipped, *at, *zone);
        assert!(instant <= before.at || instant == slot.at, "{skipped} has no slot: {}", shown());
    }
}

#[test]
fn a_zone_is_read_as_people_write_it() {
    for text in ["America/New_York", "America/New York", " america/new york ", "AMERICA/NEW_YORK"] {
        assert_eq!(parse_zone(text).unwrap(), chrono_tz::America::New_York, "{text}");
    }
    for text in ["", "New York", "Mars/Base"] {
        assert!(parse_zone(text).unwrap_err().contains("is not a time zone"), "{text}");
    }
}

/// Ten years of each zone, at midnight and within the hour that most zones skip: four million slots, some 5 s in a
/// debug build on two threads.
#[test]
fn every_zone_has_one_slot_a_day_and_never_two() {
    let times = ["00:00", "02:30"].map(|at| TimeOfDay::parse(at).unwrap());
    let begin = time("2020-01-01T00:00:00Z");
    let end = time("2030-01-01T00:00:00Z");
    let look_at = |zones: &[Tz]| {
        for zone in zones {
            for at in times {
                let slots = Slots { recurrence: Recurrence::DAILY, at, zone: *zone };
                let mut before = None;
                let mut count = 0;
                for slot in walk(slots, begin).take_while(|slot| slot.at < end) {
                    check(&slots, slot, before);
                    before = Some(slot);
                    count += 1;
                }
                // 3,653 days; the first or the last may lie on the other side of UTC's midnight.
                assert!((3652..=3654).contains(&count), "{zone} has {count} slots at {at}");
            }
        }
    };
    let (one, other) = TZ_VARIANTS.split_at(TZ_VARIANTS.len() / 2);
    std::thread::scope(|scope| {
        scope.spawn(|| look_at(one));
        look_at(other);
    });
}

#[test]
fn a_zone_that_skips_a_day_has_no_slot_twice() {
    // Samoa had no 30 December 2011.
    let slots = daily("07:00", "Pacific/Apia");
    let found: Vec<Slot> = walk(slots, time("2011-12-28T12:00:00Z")).take(4).collect();
    for pair in found.windows(2) {
        check(&slots, pair[1], Some(pair[0]));
    }
    let instants: Vec<String> = found.iter().map(|slot| slot.at.to_string()).collect();
    assert_eq!(
        instants,
        ["2011-12-28T17:00:00Z", "2011-12-29T17:00:00Z", "2011-12-30T10:00:00Z", "2011-12-30T17:00:00Z"]
    );
}

#[test]
fn clock_changes_move_a_slot_to_the_next_instant_or_take_the_first_of_two() {
    for (zone, at, date, expected) in [
        ("Europe/Paris", "02:30", "2026-03-29", "2026-03-29T01:00:00Z"),
        ("Europe/Paris", "02:00", "2026-03-29", "2026-03-29T01:00:00Z"),
        ("Europe/Paris", "02:30", "2026-10-25", "2026-10-25T00:30:00Z"),
        ("America/New_York", "02:30", "2026-03-08", "2026-03-08T07:00:00Z"),
        ("America/New_York", "01:30", "2026-11-01", "2026-11-01T05:30:00Z"),
        // Half an hour: 02:00 becomes 02:30.
        ("Australia/Lord_Howe", "02:15", "2026-10-04", "2026-10-03T15:30:00Z"),
        // Midnight itself is skipped.
        ("Africa/Cairo", "00:00", "2026-04-24", "2026-04-23T22:00:00Z"),
    ] {
        let date: NaiveDate = date.parse().unwrap();
        let found = instant_of(date, TimeOfDay::parse(at).unwrap(), parse_zone(zone).unwrap());
        assert_eq!(found.to_string(), expected, "{date} {at} {zone}");
    }
}

fn zones() -> impl Strategy<Value = Tz> {
    (0..TZ_VARIANTS.len()).prop_map(|index| TZ_VARIANTS[index])
}

fn recurrences() -> impl Strategy<Value = Recurrence> {
    prop_oneof![(1_u8..128).prop_map(Recurrence::Weekly), (1_u8..32).prop_map(Recurrence::Monthly)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_time_of_day_has_one_slot_a_day(
        zone in zones(),
        minutes in 0_i64..1440,
        start in 0_i64..4_000_000_000,
    ) {
        let at = TimeOfDay::from_minutes(minutes).unwrap();
        let slots = Slots { recurrence: Recurrence::DAILY, at, zone };
        let after = Timestamp::from_millis(start * 1000);
        let mut before = None;
        for slot in walk(slots, after).take(400) {
            prop_assert!(slot.at > after);
            check(&slots, slot, before);
            before = Some(slot);
        }
    }

    #[test]
    fn slots_fall_on_their_days_and_none_is_left_out(
        zone in zones(),
        minutes in 0_i64..1440,
        recurrence in recurrences(),
        start in 0_i64..4_000_000_000,
    ) {
        let at = TimeOfDay::from_minutes(minutes).unwrap();
        let slots = Slots { recurrence, at, zone };
        let after = Timestamp::from_millis(start * 1000);
        let found: Vec<Slot> = walk(slots, after).take(20).collect();
        prop_assert_eq!(found.len(), 20);
        for slot in &found {
            prop_assert!(recurrence.falls_on(slot.date));
        }
        for pair in found.windows(2) {
            let between = pair[0].date.iter_days().skip(1).take_while(|date| *date < pair[1].date);
            for date in between.filter(|date| recurrence.falls_on(*date)) {
                let instant = instant_of(date, at, zone);
                prop_assert!(instant <= pair[0].at || instant == pair[1].at, "{date} is left out");
            }
            let gap = (pair[1].date - pair[0].date).num_days();
            prop_assert!(gap <= recurrence.longest_gap_days() + 1, "{gap} days between two slots of {recurrence}");
        }
    }

    #[test]
    fn a_readers_own_hour_is_the_first_at_or_after_the_slot(
        zone in zones(),
        minutes in 0_i64..1440,
        from in 0_i64..4_000_000_000,
    ) {
        let at = TimeOfDay::from_minutes(minutes).unwrap();
        let from = Timestamp::from_millis(from * 1000);
        let found = first_at(from, at, zone);
        prop_assert!(found >= from);
        // A day, and whatever a clock change or a skipped day adds.
        prop_assert!(found.millis() - from.millis() <= 50 * 3600 * 1000, "{from} to {found}");
    }

    #[test]
    fn parsing_never_panics(text in "\\PC{0,20}") {
        let _ = (TimeOfDay::parse(&text), Recurrence::parse(&text), Timestamp::parse(&text), parse_zone(&text));
    }

    #[test]
    fn what_is_printed_reads_back(minutes in 0_i64..1440, recurrence in recurrences()) {
        let at = TimeOfDay::from_minutes(minutes).unwrap();
        prop_assert_eq!(TimeOfDay::parse(&at.to_string()), Ok(at));
        prop_assert_eq!(Recurrence::parse(&recurrence.to_string()), Ok(recurrence));
    }
}

#[test]
fn clock_changes_are_found_to_the_second() {
    let time = |text: &str| Timestamp::parse(text).unwrap();
    let changes = |zone: Tz, from: &str, until: &str| clock_changes(zone, time(from), time(until));
    let paris = chrono_tz::Europe::Paris;
    let spring = changes(paris, "2026-03-10T00:00:00Z", "2026-04-07T00:00:00Z");
    assert_eq!(spring.len(), 1);
    assert_eq!(spring[0].at, time("2026-03-29T01:00:00Z"));
    assert_eq!(
        (spring[0].from.to_string(), spring[0].to.to_string()),
        ("2026-03-29 02:00:00".to_owned(), "2026-03-29 03:00:00".to_owned())
    );
    let autumn = changes(paris, "2026-10-01T05:17:31Z", "2026-10-29T05:17:31Z");
    assert_eq!(autumn[0].at, time("2026-10-25T01:00:00Z"));
    assert_eq!(
        (autumn[0].from.format("%H:%M").to_string(), autumn[0].to.format("%H:%M").to_string()),
        ("03:00".to_owned(), "02:00".to_owned())
    );
    assert_eq!(changes(paris, "2026-03-01T00:00:00Z", "2026-03-29T01:00:00Z"), [], "the end is not counted");
    assert_eq!(changes(chrono_tz::UTC, "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"), []);
    let lord_howe = changes(chrono_tz::Australia::Lord_Howe, "2026-04-01T00:00:00Z", "2026-04-20T00:00:00Z");
    assert_eq!(lord_howe[0].from - lord_howe[0].to, chrono::Duration::minutes(30));
}

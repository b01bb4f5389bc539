//! Temporal values: dates, times, zones and durations.

use botswain_feel::WarningKind;

use crate::{check, check_all, warns};

#[test]
fn literals_know_their_kind() {
    check_all(&[
        ("@\"2026-11-21\"", "2026-11-21"),
        ("@\"09:30:00\"", "09:30:00"),
        ("@\"T09:30\"", "09:30:00"),
        ("@\"09:30:00.25+02:00\"", "09:30:00.25+02:00"),
        ("@\"09:30:00@Europe/Berlin\"", "09:30:00@Europe/Berlin"),
        ("@\"2026-11-21T09:30\"", "2026-11-21T09:30:00"),
        ("@\"2026-11-21T09:30:00Z\"", "2026-11-21T09:30:00Z"),
        (
            "@\"2026-07-01T09:30:00+02:00[Europe/Berlin]\"",
            "2026-07-01T09:30:00@Europe/Berlin",
        ),
        ("@\"P1DT2H3M4.5S\"", "P1DT2H3M4.5S"),
        ("@\"-PT90M\"", "-PT1H30M"),
        ("@\"P14M\"", "P1Y2M"),
    ]);
    warns(
        "@\"2026-02-30\"",
        WarningKind::FunctionInvocationFailure,
        "'2026-02-30' is no date, time or duration",
    );
    warns(
        "@\"P1Y2D\"",
        WarningKind::FunctionInvocationFailure,
        "'P1Y2D' is no date, time or duration",
    );
}

#[test]
fn durations_move_dates_and_times() {
    check_all(&[
        ("@\"2026-01-31\" + @\"P1M\"", "2026-02-28"),
        ("@\"2024-02-29\" + @\"P1Y\"", "2025-02-28"),
        ("@\"2026-01-01\" - @\"P1D\"", "2025-12-31"),
        ("@\"2026-01-01\" + @\"PT36H\"", "2026-01-02"),
        ("@\"23:00:00\" + @\"PT2H\"", "01:00:00"),
        (
            "@\"2026-11-21T09:00:00\" + @\"P1DT1H\"",
            "2026-11-22T10:00:00",
        ),
        ("@\"P1D\" + @\"PT12H\"", "P1DT12H"),
        ("@\"P1Y\" - @\"P2M\"", "P10M"),
        ("@\"PT1H\" * 3", "PT3H"),
        ("@\"P1Y\" / 2", "P6M"),
        ("@\"P1D\" / @\"PT6H\"", "4"),
        ("-@\"P1D\"", "-P1D"),
    ]);
    warns(
        "@\"10:00:00\" + @\"P1M\"",
        WarningKind::InvalidType,
        "Can't add 'P1M' to '10:00:00': they are of type years and months duration and time",
    );
    warns(
        "@\"9999-12-31\" + @\"P1D\"",
        WarningKind::InvalidType,
        "Can't add 'P1D' to '9999-12-31': they are of type days and time duration and date",
    );
}

#[test]
fn differences_are_durations() {
    check_all(&[
        ("@\"2026-03-01\" - @\"2026-02-01\"", "P28D"),
        ("@\"10:00:00\" - @\"11:30:00\"", "-PT1H30M"),
        (
            "@\"2026-11-21T10:00:00+01:00\" - @\"2026-11-21T10:00:00Z\"",
            "-PT1H",
        ),
        (
            "years and months duration(@\"2024-05-20\", @\"2026-05-19\")",
            "P1Y11M",
        ),
        (
            "years and months duration(@\"2026-05-19\", @\"2024-05-20\")",
            "-P1Y11M",
        ),
    ]);
}

#[test]
fn clocks_follow_their_region() {
    check_all(&[
        // The night in which the clocks go forward has no half past two.
        (
            "@\"2026-03-29T02:30:00@Europe/Berlin\"",
            "2026-03-29T03:30:00@Europe/Berlin",
        ),
        (
            "@\"2026-03-29T01:30:00@Europe/Berlin\" + @\"PT1H\"",
            "2026-03-29T03:30:00@Europe/Berlin",
        ),
        (
            "@\"2026-03-28T12:00:00@Europe/Berlin\" + @\"P1M\"",
            "2026-04-28T12:00:00@Europe/Berlin",
        ),
        (
            "@\"2026-10-25T02:30:00@Europe/Berlin\" + @\"PT1H\" - @\"2026-10-25T02:30:00@Europe/Berlin\"",
            "PT1H",
        ),
        (
            "date and time(@\"2026-07-01T12:00:00Z\", \"America/New_York\")",
            "2026-07-01T08:00:00@America/New_York",
        ),
    ]);
    warns(
        "date and time(@\"2026-07-01T12:00:00Z\", \"Mars/Base\")",
        WarningKind::FunctionInvocationFailure,
        "Failed to invoke function 'date and time': there is no time zone 'Mars/Base'",
    );
}

#[test]
fn instants_compare_across_zones_but_not_with_walls() {
    check_all(&[
        (
            "@\"2026-11-21T10:00:00+01:00\" < @\"2026-11-21T10:00:00Z\"",
            "true",
        ),
        (
            "@\"2026-11-21T10:00:00+01:00\" = @\"2026-11-21T09:00:00Z\"",
            "true",
        ),
        ("@\"10:00:00+01:00\" < @\"10:00:00Z\"", "true"),
        ("@\"P1D\" = @\"PT24H\"", "true"),
        ("@\"P12M\" = @\"P1Y\"", "true"),
    ]);
    warns(
        "@\"2026-11-21T10:00:00\" < @\"2026-11-21T10:00:00Z\"",
        WarningKind::NotComparable,
        "Can't compare '2026-11-21T10:00:00' with '2026-11-21T10:00:00Z': they are of type date and time and date and time",
    );
}

#[test]
fn properties_are_read_off() {
    check_all(&[
        ("@\"2026-11-21\".weekday", "6"),
        ("@\"2026-11-21T09:30:15+02:00\".time offset", "PT2H"),
        (
            "@\"2026-11-21T09:30:15@Europe/Berlin\".timezone",
            "Europe/Berlin",
        ),
        ("@\"2026-11-21T09:30:15\".timezone", "null"),
        ("@\"09:30:15\".second", "15"),
        ("@\"P2Y3M\".months", "3"),
        ("@\"P1DT25H\".days", "2"),
        ("[@\"2026-11-21\", @\"2025-01-01\"].year", "[2026, 2025]"),
        ("{r: [1..5)}.r.end", "5"),
        ("{r: [1..5)}.r.end included", "false"),
    ]);
}

#[test]
fn functions_make_and_take_apart() {
    check_all(&[
        ("date(2026, 11, 21)", "2026-11-21"),
        ("date(@\"2026-11-21T09:30:00\")", "2026-11-21"),
        ("time(9, 30, 15.5)", "09:30:15.5"),
        ("time(9, 30, 0, @\"-PT5H\")", "09:30:00-05:00"),
        ("time(@\"2026-11-21T09:30:00Z\")", "09:30:00Z"),
        (
            "date and time(@\"2026-11-21\", @\"09:30:00\")",
            "2026-11-21T09:30:00",
        ),
        ("date and time(\"2026-11-21\")", "2026-11-21T00:00:00"),
        ("duration(\"PT\" + \"5M\")", "PT5M"),
        ("day of week(@\"2026-11-21\")", "Saturday"),
        ("month of year(@\"2026-11-21\")", "November"),
        ("day of year(@\"2026-02-01\")", "32"),
        ("week of year(@\"2027-01-01\")", "53"),
        ("last day of month(@\"2028-02-10\")", "2028-02-29"),
        ("now()", "2026-11-21T09:30:00@Europe/Berlin"),
        ("today()", "2026-11-21"),
        ("string(today() - @\"P1D\")", "2026-11-20"),
        ("abs(@\"-P1DT1H\")", "P1DT1H"),
    ]);
    warns(
        "date(2026, 2, 30)",
        WarningKind::FunctionInvocationFailure,
        "Failed to invoke function 'date': there is no date with year 2026, month 2, day 30",
    );
}

#[test]
fn json_has_iso_texts() {
    check(
        "to json([@\"2026-11-21\", @\"09:30:00Z\", @\"2026-11-21T09:30:00@Europe/Berlin\", @\"P1DT2H\", @\"P3M\"])",
        "[\"2026-11-21\",\"09:30:00Z\",\"2026-11-21T09:30:00+01:00[Europe/Berlin]\",\"P1DT2H\",\"P3M\"]",
    );
}

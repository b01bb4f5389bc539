//! Tests of numbers: scales, 34 digits, the largest and the smallest.

use super::*;

fn n(text: &str) -> Number {
    Number::parse(text).unwrap()
}

fn check(got: Option<Number>, expected: &str) {
    assert_eq!(got.map(|n| n.to_string()).as_deref(), Some(expected));
}

#[test]
fn whole_numbers_stay_machine_integers() {
    assert!(matches!(n("42"), Number::Int(42)));
    assert!(matches!(n("1e3"), Number::Int(1000)));
    check(n("9223372036854775807").plus(n("1")), "9223372036854775808");
    check(
        n("9223372036854775808").minus(n("1")),
        "9223372036854775807",
    );
}

#[test]
fn a_written_scale_is_kept() {
    check(n("2.50").times(n("2")), "5.00");
    check(n("1.10").plus(n("2")), "3.10");
    check(n("10").over(n("4")), "2.5");
    check(n("100").over(n("10")), "10");
}

#[test]
fn results_have_34_digits_and_round_half_to_even() {
    check(n("1").over(n("3")), "0.3333333333333333333333333333333333");
    check(n("2").over(n("3")), "0.6666666666666666666666666666666667");
    check(
        n("1234567890123456789012345678901234").times(n("10.5")),
        "1.296296284629629628462962962846296E+34",
    );
    check(
        n("9999999999999999999999999999999999").plus(n("1")),
        "1.000000000000000000000000000000000E+34",
    );
    check(
        n("12345678901234567890123456789012345").plus(n("0")),
        "1.234567890123456789012345678901234E+34",
    );
}

#[test]
fn numbers_far_apart_add_to_the_larger() {
    check(
        n("1e100").plus(n("1")),
        "1.000000000000000000000000000000000E+100",
    );
    assert_eq!(n("1e100").minus(n("1e-100")).unwrap(), n("1e100"));
    assert!(n("1e100") > n("1e-100"));
    assert!(n("-1e100") < n("-1e-100"));
}

#[test]
fn remainders_follow_the_dividend() {
    check(n("-10.1").remainder(n("4.5")), "-1.1");
    check(n("7").remainder(n("-3")), "1");
}

#[test]
fn powers_beyond_the_largest_number_are_none() {
    check(n("2").powi(64), "18446744073709551616");
    check(n("2").powi(-2), "0.25");
    assert!(n("10").powi(7000).is_none());
    assert!(n("1").over(n("0")).is_none());
}

#[test]
fn json_has_no_trailing_zeros() {
    let mut out = String::new();
    n("5.00").write_json(&mut out);
    assert_eq!(out, "5");
}

proptest::proptest! {
    #[test]
    fn what_is_written_is_read_again(coefficient in -10i128.pow(33)..10i128.pow(33), exponent in -60i32..60) {
        let number = n(&format!("{coefficient}e{exponent}"));
        proptest::prop_assert_eq!(n(&number.to_string()), number);
        let mut json = String::new();
        number.write_json(&mut json);
        proptest::prop_assert_eq!(n(&json), number);
    }

    #[test]
    fn arithmetic_agrees_with_whole_numbers(a in -10i128.pow(16)..10i128.pow(16), b in -10i128.pow(16)..10i128.pow(16), scale in 0u32..12) {
        let scaled = |value: i128, scale: u32| n(&format!("{value}e-{scale}"));
        let (x, y) = (scaled(a, scale), scaled(b, scale));
        proptest::prop_assert_eq!(x.plus(y), Some(scaled(a + b, scale)));
        proptest::prop_assert_eq!(x.minus(y), Some(scaled(a - b, scale)));
        proptest::prop_assert_eq!(x.times(y), Some(scaled(a * b, scale * 2)));
        proptest::prop_assert_eq!(x.cmp(&y), a.cmp(&b));
        if b != 0 {
            proptest::prop_assert_eq!(x.remainder(y), Some(scaled(a % b, scale)));
            proptest::prop_assert_eq!(x.times(y).and_then(|product| product.over(y)), Some(x));
        }
    }

    #[test]
    fn no_operation_panics(a in "-?[0-9]{1,40}(e-?[0-9]{1,4})?", b in "-?[0-9]{1,40}(e-?[0-9]{1,4})?", scale in -7000i64..7000) {
        if let (Some(a), Some(b)) = (Number::parse(&a), Number::parse(&b)) {
            let _ = (a.plus(b), a.minus(b), a.times(b), a.over(b), a.remainder(b), a.cmp(&b), a.negated(), a.abs());
            let _ = (a.round(scale, Rounding::HalfUp), a.round(scale, Rounding::Unnecessary), a.to_i64(), a.to_f64(), a.is_whole());
            let _ = (a.to_string(), a.powi(scale));
        }
    }
}

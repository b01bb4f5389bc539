//! Wide: whole numbers of 256 bits, their digits, and how they are rounded.

use std::cmp::Ordering;

use fastnum::U256;

use super::Rounding;

pub(super) fn wide(value: u128) -> U256 {
    U256::from_digits([value as u64, (value >> 64) as u64, 0, 0])
}

pub(super) fn narrow(value: U256) -> u128 {
    let digits = value.digits();
    u128::from(digits[0]) | (u128::from(digits[1]) << 64)
}

pub(super) fn ten(power: u32) -> u128 {
    10u128.pow(power)
}

pub(super) fn wide_ten(power: u32) -> U256 {
    if power <= 38 {
        wide(ten(power))
    } else {
        wide(ten(38)).mul(wide(ten(power - 38)))
    }
}

pub(super) fn digits_of(value: u128) -> u32 {
    if value == 0 { 1 } else { value.ilog10() + 1 }
}

pub(super) fn wide_digits(value: U256) -> u32 {
    let words = value.digits();
    if words[2] == 0 && words[3] == 0 {
        return digits_of(narrow(value));
    }
    let mut digits = 39;
    while digits < 77 && value >= wide_ten(digits) {
        digits += 1;
    }
    digits
}

// The remainder of a rounding, compared with one half.
#[derive(Clone, Copy)]
pub(super) enum Rest {
    Zero,
    Below,
    Half,
    Above,
}

pub(super) fn rounds_away(mode: Rounding, rest: Rest, odd: bool, negative: bool) -> bool {
    match (mode, rest) {
        (_, Rest::Zero) | (Rounding::Down | Rounding::Unnecessary, _) => false,
        (Rounding::Up, _) => true,
        (Rounding::Ceiling, _) => !negative,
        (Rounding::Floor, _) => negative,
        (Rounding::HalfUp, rest) => !matches!(rest, Rest::Below),
        (Rounding::HalfDown, rest) => matches!(rest, Rest::Above),
        (Rounding::HalfEven, Rest::Half) => odd,
        (Rounding::HalfEven, rest) => matches!(rest, Rest::Above),
    }
}

pub(super) fn rest_of(remainder: U256, divisor: U256) -> Rest {
    if remainder.is_zero() {
        return Rest::Zero;
    }
    match remainder.mul(wide(2)).cmp(&divisor) {
        Ordering::Less => Rest::Below,
        Ordering::Equal => Rest::Half,
        Ordering::Greater => Rest::Above,
    }
}

// `sticky` says that digits were lost before this rounding, so an exact half is a little more than a half.
pub(super) fn round_wide(
    value: U256,
    drop: u32,
    sticky: bool,
    mode: Rounding,
    negative: bool,
) -> U256 {
    let divisor = wide_ten(drop);
    let (quotient, remainder) = value.div_rem(divisor);
    let mut rest = rest_of(remainder, divisor);
    if sticky {
        rest = match rest {
            Rest::Zero => Rest::Below,
            Rest::Half => Rest::Above,
            other => other,
        };
    }
    let odd = quotient.digits()[0] & 1 == 1;
    if rounds_away(mode, rest, odd, negative) {
        quotient.add(wide(1))
    } else {
        quotient
    }
}

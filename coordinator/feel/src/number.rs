//! Number: FEEL's decimal numbers (34 digits, round half even), with machine integers as the fast path.
//!
//! The only module that knows how a decimal is made. A decimal is a coefficient of at most 34 digits and a power of ten;
//! what an operation needs beyond 128 bits is computed in 256 bits and rounded once.

mod wide;

use std::cmp::Ordering;
use std::fmt;

use fastnum::U256;

use wide::{Rest, digits_of, narrow, round_wide, rounds_away, ten, wide, wide_digits, wide_ten};

const DIGITS: u32 = 34;
const EXPONENT_MAX: i32 = 6144;
const SCALE_MAX: i32 = 6176;

/// A FEEL number.
#[derive(Clone, Copy)]
pub enum Number {
    /// A whole number that fits a machine word.
    Int(i64),
    /// Anything else: `coefficient * 10^exponent`.
    Dec(Decimal),
}

/// A decimal of up to 34 digits; opaque outside this module.
#[derive(Clone, Copy)]
pub struct Decimal {
    // Two words rather than an i128: an i128 would align every value to 16 bytes.
    high: i64,
    low: u64,
    exponent: i32,
}

/// How a number is rounded to a scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// Away from zero.
    Up,
    /// Towards zero.
    Down,
    /// Towards positive infinity.
    Ceiling,
    /// Towards negative infinity.
    Floor,
    /// To the nearest, a half away from zero.
    HalfUp,
    /// To the nearest, a half towards zero.
    HalfDown,
    /// To the nearest, a half to the even neighbour.
    HalfEven,
    /// Refused when digits would be lost.
    Unnecessary,
}

impl Decimal {
    fn new(coefficient: i128, exponent: i32) -> Decimal {
        Decimal {
            high: (coefficient >> 64) as i64,
            low: coefficient as u64,
            exponent,
        }
    }

    fn coefficient(self) -> i128 {
        (i128::from(self.high) << 64) | i128::from(self.low)
    }
}

fn finish(negative: bool, value: U256, exponent: i32, sticky: bool) -> Option<Number> {
    let mut value = value;
    let mut exponent = exponent;
    let digits = wide_digits(value);
    if digits > DIGITS {
        let drop = digits - DIGITS;
        value = round_wide(value, drop, sticky, Rounding::HalfEven, negative);
        exponent += drop as i32;
        if wide_digits(value) > DIGITS {
            value = value.div_rem(wide(10)).0;
            exponent += 1;
        }
    }
    let coefficient = narrow(value) as i128;
    make(if negative { -coefficient } else { coefficient }, exponent)
}

// Keeps the scale that was written ("5.00" stays "5.00"); a whole number without a scale is a machine integer.
fn make(coefficient: i128, exponent: i32) -> Option<Number> {
    let (mut coefficient, mut exponent) = (coefficient, exponent);
    if coefficient == 0 && exponent > 0 {
        exponent = 0;
    }
    while exponent > 0 && coefficient.unsigned_abs() < ten(18) {
        coefficient *= 10;
        exponent -= 1;
    }
    if exponent == 0
        && let Ok(int) = i64::try_from(coefficient)
    {
        return Some(Number::Int(int));
    }
    if exponent < -EXPONENT_MAX {
        let drop = (-EXPONENT_MAX - exponent) as u32;
        if drop > DIGITS {
            return Some(Number::Int(0));
        }
        coefficient /= ten(drop) as i128;
        exponent = -EXPONENT_MAX;
    }
    let top = exponent + digits_of(coefficient.unsigned_abs()) as i32;
    (top <= EXPONENT_MAX + 1).then(|| Number::Dec(Decimal::new(coefficient, exponent)))
}

impl Number {
    /// Zero.
    pub const ZERO: Number = Number::Int(0);

    fn parts(self) -> (i128, i32) {
        match self {
            Number::Int(int) => (i128::from(int), 0),
            Number::Dec(dec) => (dec.coefficient(), dec.exponent),
        }
    }

    /// Reads `-12.50`, `.5`, `1e-7`; anything else is none.
    pub fn parse(text: &str) -> Option<Number> {
        let bytes = text.as_bytes();
        let negative = bytes.first() == Some(&b'-');
        let mut at = usize::from(negative || bytes.first() == Some(&b'+'));
        let (mut value, mut exponent, mut seen, mut sticky) = (0u128, 0i32, false, false);
        let mut fraction = false;
        let mut half = Rest::Zero;
        while let Some(&byte) = bytes.get(at) {
            match byte {
                b'0'..=b'9' => {
                    seen = true;
                    let digit = u128::from(byte - b'0');
                    if !sticky && digits_of(value) < DIGITS || value == 0 {
                        value = value * 10 + digit;
                        exponent -= i32::from(fraction);
                    } else {
                        if !sticky {
                            half = match digit {
                                0 => Rest::Zero,
                                1..=4 => Rest::Below,
                                5 => Rest::Half,
                                _ => Rest::Above,
                            };
                        } else if digit != 0 {
                            half = match half {
                                Rest::Zero => Rest::Below,
                                Rest::Half => Rest::Above,
                                other => other,
                            };
                        }
                        sticky = true;
                        exponent += i32::from(!fraction);
                    }
                    if exponent.unsigned_abs() > 2 * EXPONENT_MAX as u32 {
                        return None;
                    }
                }
                b'.' if !fraction => fraction = true,
                b'e' | b'E' if seen => {
                    let power: i32 = text.get(at + 1..)?.parse().ok()?;
                    if power.unsigned_abs() > 2 * EXPONENT_MAX as u32 {
                        return None;
                    }
                    exponent += power;
                    at = bytes.len();
                    continue;
                }
                _ => return None,
            }
            at += 1;
        }
        if !seen || bytes.last() == Some(&b'.') {
            return None;
        }
        if rounds_away(Rounding::HalfEven, half, value & 1 == 1, negative) {
            value += 1;
        }
        finish(negative, wide(value), exponent, false)
    }

    /// Makes a number of a float by its shortest decimal text; infinities and NaN are none.
    pub fn from_f64(value: f64) -> Option<Number> {
        if !value.is_finite() {
            return None;
        }
        if value == value.trunc() && value.abs() < 9e15 {
            return Some(Number::Int(value as i64));
        }
        Number::parse(&format!("{value:e}"))
    }

    /// The nearest float.
    pub fn to_f64(self) -> f64 {
        match self {
            Number::Int(int) => int as f64,
            Number::Dec(_) => format!("{}e{}", self.parts().0, self.parts().1)
                .parse()
                .unwrap_or(f64::NAN),
        }
    }

    /// The number without its fraction, if it fits a machine word.
    pub fn to_i64(self) -> Option<i64> {
        match self {
            Number::Int(int) => Some(int),
            Number::Dec(_) => match self.round(0, Rounding::Down)? {
                Number::Int(int) => Some(int),
                Number::Dec(_) => None,
            },
        }
    }

    /// Says whether the number has no fraction.
    pub fn is_whole(self) -> bool {
        match self {
            Number::Int(_) => true,
            Number::Dec(dec) => {
                dec.exponent >= 0 || {
                    let drop = dec.exponent.unsigned_abs();
                    let value = dec.coefficient().unsigned_abs();
                    value == 0 || (drop <= 38 && value.is_multiple_of(ten(drop)))
                }
            }
        }
    }

    /// Says whether the number is zero.
    pub fn is_zero(self) -> bool {
        self.parts().0 == 0
    }

    /// Says whether the number is below zero.
    pub fn is_negative(self) -> bool {
        self.parts().0 < 0
    }

    /// The sum, or none beyond the largest number.
    pub fn plus(self, other: Number) -> Option<Number> {
        if let (Number::Int(a), Number::Int(b)) = (self, other)
            && let Some(sum) = a.checked_add(b)
        {
            return Some(Number::Int(sum));
        }
        let ((a, ea), (b, eb)) = (self.parts(), other.parts());
        if a == 0 && eb <= ea {
            return Some(other);
        }
        if b == 0 && ea <= eb {
            return Some(self);
        }
        let ((high, eh), (low, el)) = if ea >= eb {
            ((a, ea), (b, eb))
        } else {
            ((b, eb), (a, ea))
        };
        let shift = (eh - el) as u32;
        if shift <= 38
            && let Some(scaled) = high.checked_mul(ten(shift) as i128)
            && let Some(sum) = scaled.checked_add(low)
        {
            return finish(sum < 0, wide(sum.unsigned_abs()), el, false);
        }
        // The smaller number is so far below that it can only tip a rounding: one digit stands for it.
        let up = 40u32.min(shift);
        let rest = shift - up;
        let (low, sticky) = if rest > 38 {
            (low.signum(), true)
        } else {
            (low / ten(rest) as i128, low % ten(rest) as i128 != 0)
        };
        let scaled = wide(high.unsigned_abs()).mul(wide_ten(up));
        let magnitude = wide(low.unsigned_abs());
        let exponent = eh - up as i32;
        if (high < 0) == (low < 0) || low == 0 {
            finish(high < 0, scaled.add(magnitude), exponent, sticky)
        } else if scaled >= magnitude {
            finish(high < 0, scaled.sub(magnitude), exponent, sticky)
        } else {
            finish(low < 0, magnitude.sub(scaled), exponent, sticky)
        }
    }

    /// The difference, or none beyond the largest number.
    pub fn minus(self, other: Number) -> Option<Number> {
        if let (Number::Int(a), Number::Int(b)) = (self, other)
            && let Some(difference) = a.checked_sub(b)
        {
            return Some(Number::Int(difference));
        }
        self.plus(other.negated())
    }

    /// The number with the other sign.
    pub fn negated(self) -> Number {
        match self {
            Number::Int(int) => match int.checked_neg() {
                Some(negated) => Number::Int(negated),
                None => Number::Dec(Decimal::new(-i128::from(int), 0)),
            },
            Number::Dec(dec) => {
                let coefficient = -dec.coefficient();
                make(coefficient, dec.exponent)
                    .unwrap_or(Number::Dec(Decimal::new(coefficient, dec.exponent)))
            }
        }
    }

    /// The number without its sign.
    pub fn abs(self) -> Number {
        if self.is_negative() {
            self.negated()
        } else {
            self
        }
    }

    /// The product, or none beyond the largest number.
    pub fn times(self, other: Number) -> Option<Number> {
        if let (Number::Int(a), Number::Int(b)) = (self, other)
            && let Some(product) = a.checked_mul(b)
        {
            return Some(Number::Int(product));
        }
        let ((a, ea), (b, eb)) = (self.parts(), other.parts());
        let (ua, ub) = (a.unsigned_abs(), b.unsigned_abs());
        let product = ua
            .checked_mul(ub)
            .map_or_else(|| wide(ua).mul(wide(ub)), wide);
        finish((a < 0) != (b < 0), product, ea + eb, false)
    }

    /// The quotient; none for a division by zero or beyond the largest number.
    pub fn over(self, other: Number) -> Option<Number> {
        if other.is_zero() {
            return None;
        }
        if let (Number::Int(a), Number::Int(b)) = (self, other)
            && let (Some(quotient), Some(0)) = (a.checked_div(b), a.checked_rem(b))
        {
            return Some(Number::Int(quotient));
        }
        let ((a, ea), (b, eb)) = (self.parts(), other.parts());
        if a == 0 {
            return Some(Number::ZERO);
        }
        let (numerator, divisor) = (a.unsigned_abs(), b.unsigned_abs());
        // Enough digits that the quotient has more than 34, and few enough to stay below 256 bits.
        let up = (DIGITS + 2 + digits_of(divisor)).saturating_sub(digits_of(numerator));
        let (mut quotient, remainder) = wide(numerator).mul(wide_ten(up)).div_rem(wide(divisor));
        let mut exponent = ea - eb - up as i32;
        let exact = remainder.is_zero();
        if exact {
            let preferred = ea - eb;
            while exponent < preferred {
                let (shorter, digit) = quotient.div_rem(wide(10));
                if !digit.is_zero() {
                    break;
                }
                quotient = shorter;
                exponent += 1;
            }
        }
        finish((a < 0) != (b < 0), quotient, exponent, !exact)
    }

    /// The remainder of a division that rounds towards zero.
    pub fn remainder(self, other: Number) -> Option<Number> {
        if other.is_zero() {
            return None;
        }
        if let (Number::Int(a), Number::Int(b)) = (self, other) {
            return Some(Number::Int(a.wrapping_rem(b)));
        }
        let ((a, ea), (b, eb)) = (self.parts(), other.parts());
        let exponent = ea.min(eb);
        let (up_a, up_b) = ((ea - exponent) as u32, (eb - exponent) as u32);
        if up_a > 40 || up_b > 40 {
            let quotient = self.over(other)?.round(0, Rounding::Down)?;
            return self.minus(quotient.times(other)?);
        }
        let numerator = wide(a.unsigned_abs()).mul(wide_ten(up_a));
        let divisor = wide(b.unsigned_abs()).mul(wide_ten(up_b));
        finish(a < 0, numerator.div_rem(divisor).1, exponent, false)
    }

    /// The power with a whole exponent.
    pub fn powi(self, exponent: i64) -> Option<Number> {
        let mut left = exponent.unsigned_abs();
        if left > 999_999_999 {
            return None;
        }
        let (mut base, mut result) = (self, Number::Int(1));
        loop {
            if left & 1 == 1 {
                result = result.times(base)?;
            }
            left >>= 1;
            if left == 0 {
                break;
            }
            base = base.times(base)?;
        }
        if exponent < 0 {
            Number::Int(1).over(result)
        } else {
            Some(result)
        }
    }

    /// The number with `scale` digits after the point; none when rounding is refused or the scale is out of range.
    pub fn round(self, scale: i64, mode: Rounding) -> Option<Number> {
        if !(-i64::from(SCALE_MAX)..=i64::from(SCALE_MAX)).contains(&scale) {
            return None;
        }
        let (coefficient, exponent) = self.parts();
        let target = -(scale as i32);
        if exponent >= target {
            let up = (exponent - target) as u32;
            if coefficient == 0 || up == 0 || up + digits_of(coefficient.unsigned_abs()) > DIGITS {
                return Some(self);
            }
            return make(coefficient * ten(up) as i128, target);
        }
        let drop = (target - exponent) as u32;
        let negative = coefficient < 0;
        let value = coefficient.unsigned_abs();
        let rounded = if drop > 76 {
            let rest = if value == 0 { Rest::Zero } else { Rest::Below };
            wide(u128::from(rounds_away(mode, rest, false, negative)))
        } else {
            round_wide(wide(value), drop, false, mode, negative)
        };
        if mode == Rounding::Unnecessary
            && (drop > 76 || rounded.mul(wide_ten(drop)) != wide(value))
            && value != 0
        {
            return None;
        }
        let magnitude = narrow(rounded) as i128;
        make(if negative { -magnitude } else { magnitude }, target)
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Number) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Number {}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Number) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Number) -> Ordering {
        if let (Number::Int(a), Number::Int(b)) = (self, other) {
            return a.cmp(b);
        }
        let ((a, ea), (b, eb)) = (self.parts(), other.parts());
        if a.signum() != b.signum() || a == 0 {
            return a.signum().cmp(&b.signum());
        }
        let (ua, ub) = (a.unsigned_abs(), b.unsigned_abs());
        let (top_a, top_b) = (digits_of(ua) as i32 + ea, digits_of(ub) as i32 + eb);
        let magnitude = top_a.cmp(&top_b).then_with(|| {
            // The same number of digits before the point, so at most 34 digits apart.
            let exponent = ea.min(eb);
            let left = wide(ua).mul(wide_ten((ea - exponent) as u32));
            left.cmp(&wide(ub).mul(wide_ten((eb - exponent) as u32)))
        });
        if a < 0 {
            magnitude.reverse()
        } else {
            magnitude
        }
    }
}

impl From<i64> for Number {
    fn from(value: i64) -> Number {
        Number::Int(value)
    }
}

impl From<usize> for Number {
    fn from(value: usize) -> Number {
        Number::Int(i64::try_from(value).unwrap_or(i64::MAX))
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (coefficient, exponent) = match self {
            Number::Int(int) => return write!(f, "{int}"),
            Number::Dec(dec) => (dec.coefficient(), dec.exponent),
        };
        let sign = if coefficient < 0 { "-" } else { "" };
        let digits = coefficient.unsigned_abs().to_string();
        let point = digits.len() as i32 + exponent;
        if exponent == 0 {
            write!(f, "{sign}{digits}")
        } else if exponent > 0 || point < -6 {
            let (first, rest) = digits.split_at(1);
            let rest = if rest.is_empty() {
                String::new()
            } else {
                format!(".{rest}")
            };
            write!(f, "{sign}{first}{rest}E{:+}", point - 1)
        } else if point <= 0 {
            write!(
                f,
                "{sign}0.{}{digits}",
                "0".repeat(point.unsigned_abs() as usize)
            )
        } else {
            let (whole, fraction) = digits.split_at(point as usize);
            write!(f, "{sign}{whole}.{fraction}")
        }
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Number {
    /// Writes the number as JSON does: without trailing zeros after the point.
    pub fn write_json(self, out: &mut String) {
        use fmt::Write as _;
        let (mut coefficient, mut exponent) = self.parts();
        while exponent < 0 && coefficient % 10 == 0 {
            coefficient /= 10;
            exponent += 1;
        }
        let written = match make(coefficient, exponent) {
            Some(number) => write!(out, "{number}"),
            None => write!(out, "{self}"),
        };
        debug_assert!(written.is_ok(), "a String takes all text");
    }
}

#[cfg(test)]
mod tests;

//! Values of constant expressions, as far as they can be had from their text.

use super::lex::is_name;

/// Brackets and operators inside each other at most.
const DEPTH: usize = 64;

/// The value of `text`, tokens with spaces between them. `value` knows names; `None` if one is
/// not known, or for anything but integers, `+ - * / % << >> & | ^ ~`, `BIT()` and the `_UL()`
/// family.
pub(super) fn value(text: &str, value: &dyn Fn(&str) -> Option<i128>) -> Option<i128> {
    let tokens: Vec<&str> = text.split(' ').filter(|token| !token.is_empty()).collect();
    let mut parser = Parser {
        tokens: &tokens,
        at: 0,
        depth: 0,
        value,
    };
    let found = parser.binary(0)?;
    (parser.at == tokens.len()).then_some(found)
}

struct Parser<'a> {
    tokens: &'a [&'a str],
    at: usize,
    depth: usize,
    value: &'a dyn Fn(&str) -> Option<i128>,
}

fn level(operator: &str) -> Option<u8> {
    Some(match operator {
        "|" => 1,
        "^" => 2,
        "&" => 3,
        "<<" | ">>" => 4,
        "+" | "-" => 5,
        "*" | "/" | "%" => 6,
        _ => return None,
    })
}

impl Parser<'_> {
    fn binary(&mut self, least: u8) -> Option<i128> {
        let mut left = self.unary()?;
        while let Some(operator) = self.tokens.get(self.at).copied() {
            let Some(level) = level(operator).filter(|level| *level > least) else {
                break;
            };
            self.at += 1;
            let right = self.binary(level)?;
            left = match operator {
                "|" => left | right,
                "^" => left ^ right,
                "&" => left & right,
                "<<" if (0..64).contains(&right) => left.checked_mul(1 << right)?,
                ">>" if (0..64).contains(&right) => left >> right,
                "+" => left.checked_add(right)?,
                "-" => left.checked_sub(right)?,
                "*" => left.checked_mul(right)?,
                "/" => left.checked_div(right)?,
                "%" => left.checked_rem(right)?,
                _ => return None,
            };
        }
        Some(left)
    }

    fn unary(&mut self) -> Option<i128> {
        self.depth += 1;
        let found = self.operand();
        self.depth -= 1;
        found
    }

    fn operand(&mut self) -> Option<i128> {
        if self.depth > DEPTH {
            return None;
        }
        let token = *self.tokens.get(self.at)?;
        self.at += 1;
        match token {
            "-" => self.unary()?.checked_neg(),
            "+" => self.unary(),
            "~" => self.unary().map(|value| !value),
            "(" if self.tokens.get(self.at) == Some(&"__force") => {
                // A cast for sparse, which changes no value: `((__force fmode_t)0x1)`.
                let rest = self.tokens.get(self.at..)?;
                let words = rest.iter().take_while(|token| is_name(token)).count();
                self.at += words;
                self.close()?;
                self.unary()
            }
            "(" => {
                let found = self.binary(0)?;
                self.close()?;
                Some(found)
            }
            "BIT" | "BIT_ULL" | "_BITUL" | "_BITULL" | "_UL" | "_ULL" | "_AC" | "_AT" => {
                if self.tokens.get(self.at) != Some(&"(") {
                    return None;
                }
                self.at += 1;
                let found = self.binary(0)?;
                // The suffix of `_AC(1,UL)`.
                if self.tokens.get(self.at) == Some(&",") {
                    self.at += 2;
                }
                self.close()?;
                match token {
                    "_UL" | "_ULL" | "_AC" | "_AT" => Some(found),
                    _ if (0..64).contains(&found) => Some(1 << found),
                    _ => None,
                }
            }
            name if is_name(name) => (self.value)(name),
            number => literal(number),
        }
    }

    fn close(&mut self) -> Option<()> {
        (self.tokens.get(self.at) == Some(&")")).then(|| self.at += 1)
    }
}

fn literal(token: &str) -> Option<i128> {
    let lower = token.to_ascii_lowercase();
    let digits = lower.trim_end_matches(['u', 'l']);
    match digits.strip_prefix("0x") {
        Some(digits) => i128::from_str_radix(digits, 16).ok(),
        None if digits.len() > 1 && digits.starts_with('0') => {
            i128::from_str_radix(&digits[1..], 8).ok()
        }
        None => digits.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_of_flags() {
        let known = |name: &str| (name == "A").then_some(4);
        for (text, expected) in [
            ("0x00000004", Some(4)),
            ("( 1 << 3 )", Some(8)),
            ("BIT ( 3 )", Some(8)),
            ("_AC ( 1 , UL ) << 2", Some(4)),
            ("A | 0x10UL", Some(20)),
            ("2 * ( A + 1 )", Some(10)),
            ("~ 0", Some(-1)),
            ("010", Some(8)),
            ("1 << 200", None),
            ("1 / 0", None),
            ("B", None),
            ("1 2", None),
            ("( 1", None),
            ("( ( __force fmode_t ) 0x10 )", Some(16)),
            ("( __force fmode_t ) ( 1 << 4 )", Some(16)),
            ("( __force fmode_t", None),
            // What another cast leaves of a value is not looked at.
            ("( u8 ) 0x100", None),
        ] {
            assert_eq!(value(text, &known), expected, "{text}");
        }
        assert_eq!(value(&"( ".repeat(10_000), &known), None);
    }
}

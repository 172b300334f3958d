//! What is said of numbers that were measured several times.

/// The least, the middle and the greatest of some numbers.
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct Spread {
    /// The least.
    pub least: f64,
    /// The one in the middle; of an even number, half way between the two.
    pub median: f64,
    /// The greatest.
    pub greatest: f64,
}

impl Spread {
    /// That of `numbers`; `None` if there are none, or one that is no number.
    pub fn of(numbers: impl IntoIterator<Item = f64>) -> Option<Spread> {
        let mut numbers: Vec<f64> = numbers.into_iter().collect();
        if numbers.iter().any(|number| number.is_nan()) {
            return None;
        }
        numbers.sort_by(f64::total_cmp);
        let middle = numbers.len() / 2;
        let upper = *numbers.get(middle)?;
        let median = match numbers.len() % 2 {
            0 => f64::midpoint(numbers[middle - 1], upper),
            _ => upper,
        };
        Some(Spread {
            least: numbers[0],
            median,
            greatest: numbers[numbers.len() - 1],
        })
    }

    /// That of what each of the numbers of a pair is by the other. Taken of pairs and not of two medians: what the
    /// machine did meanwhile, it did to both.
    pub fn of_ratios(pairs: impl IntoIterator<Item = (f64, f64)>) -> Option<Spread> {
        Spread::of(pairs.into_iter().map(|(number, by)| number / by))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn spread(least: f64, median: f64, greatest: f64) -> Spread {
        Spread {
            least,
            median,
            greatest,
        }
    }

    #[test]
    fn the_middle_is_that_of_the_order_and_not_of_the_sum() {
        assert_eq!(Spread::of([9.0, 1.0, 2.0]), Some(spread(1.0, 2.0, 9.0)));
        assert_eq!(Spread::of([4.0]), Some(spread(4.0, 4.0, 4.0)));
    }

    #[test]
    fn between_two_it_is_half_way() {
        assert_eq!(
            Spread::of([8.0, 1.0, 3.0, 2.0]),
            Some(spread(1.0, 2.5, 8.0))
        );
    }

    #[test]
    fn of_nothing_nothing_is_said() {
        assert_eq!(Spread::of([]), None);
        assert_eq!(Spread::of_ratios([(0.0, 0.0)]), None, "0 by 0 is no number");
    }

    #[test]
    fn ratios_are_those_of_pairs() {
        // The medians alone are 3 and 2, and would say 1.5.
        let pairs = [(1.0, 1.0), (3.0, 2.0), (8.0, 2.0)];
        assert_eq!(Spread::of_ratios(pairs), Some(spread(1.0, 1.5, 4.0)));
        let pairs = [(1.0, 4.0), (3.0, 1.0), (8.0, 2.0)];
        assert_eq!(Spread::of_ratios(pairs), Some(spread(0.25, 3.0, 4.0)));
    }
}

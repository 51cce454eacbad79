//! Which relay gets the next message: the ones of the best priority, by their weights.

/// Smooth weighted round-robin: of 3 and 1, every fourth goes to the second, and never two in a row.
#[derive(Debug)]
pub struct Shares {
    relays: Vec<Share>,
}

#[derive(Debug)]
struct Share {
    priority: u32,
    weight: i64,
    credit: i64,
}

impl Shares {
    /// Relays by priority (the lower first) and weight.
    pub fn new(relays: impl IntoIterator<Item = (u32, u32)>) -> Self {
        let share = |(priority, weight)| Share { priority, weight: i64::from(weight), credit: 0 };
        Self { relays: relays.into_iter().map(share).collect() }
    }

    /// The next relay among those that can take messages, of the best priority that has one; of these one that is ready
    /// to take one now.
    pub fn next(
        &mut self,
        can_take: impl Fn(usize) -> bool,
        is_ready: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        let able: Vec<usize> = (0..self.relays.len()).filter(|index| can_take(*index)).collect();
        let best = able.iter().map(|index| self.relays[*index].priority).min()?;
        let able: Vec<usize> = able
            .into_iter()
            .filter(|index| self.relays[*index].priority == best && is_ready(*index))
            .collect();
        let mut sum = 0;
        let mut chosen: Option<usize> = None;
        for index in able {
            let share = &mut self.relays[index];
            sum += share.weight;
            share.credit += share.weight;
            if chosen.is_none_or(|chosen| self.relays[index].credit > self.relays[chosen].credit) {
                chosen = Some(index);
            }
        }
        self.relays[chosen?].credit -= sum;
        chosen
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Shares;

    fn take(shares: &mut Shares, count: usize, can_take: impl Fn(usize) -> bool) -> Vec<usize> {
        (0..count).filter_map(|_| shares.next(&can_take, |_| true)).collect()
    }

    #[test]
    fn weights_divide_the_messages_evenly_over_time() {
        let mut shares = Shares::new([(1, 3), (1, 1)]);
        assert_eq!(take(&mut shares, 8, |_| true), [0, 0, 1, 0, 0, 0, 1, 0]);
    }

    #[test]
    fn others_get_messages_only_while_the_best_cannot_take_any() {
        let mut shares = Shares::new([(2, 100), (1, 1), (1, 1), (3, 1)]);
        assert_eq!(take(&mut shares, 4, |_| true), [1, 2, 1, 2]);
        assert_eq!(take(&mut shares, 2, |index| index != 1), [2, 2]);
        assert_eq!(take(&mut shares, 2, |index| index == 0 || index == 3), [0, 0]);
        assert_eq!(take(&mut shares, 2, |index| index == 3), [3, 3]);
        assert_eq!(take(&mut shares, 2, |_| false), [0; 0]);
        // Who was away makes nothing up for.
        assert_eq!(take(&mut shares, 4, |_| true).iter().filter(|index| **index == 1).count(), 2);
    }

    proptest! {
        #[test]
        fn no_relay_gets_more_than_its_share(weights in proptest::collection::vec(1_u32..=100, 1..6)) {
            let sum: u32 = weights.iter().sum();
            let mut shares = Shares::new(weights.iter().map(|weight| (1, *weight)));
            let taken = take(&mut shares, sum as usize * 2, |_| true);
            for (index, weight) in weights.iter().enumerate() {
                prop_assert_eq!(taken.iter().filter(|taken| **taken == index).count(), *weight as usize * 2);
            }
        }
    }
}

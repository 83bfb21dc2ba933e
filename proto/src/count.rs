//! Counters that stop at their ends.

/// Counting without overflow: at the end of its range a number stays there.
pub(crate) trait Count {
    /// Adds `by`.
    fn grow(&mut self, by: Self);
    /// Takes `by` away.
    fn shrink(&mut self, by: Self);
}

macro_rules! count {
    ($($number:ty)*) => {$(
        impl Count for $number {
            #[inline(always)]
            fn grow(&mut self, by: Self) {
                *self = self.saturating_add(by);
            }

            #[inline(always)]
            fn shrink(&mut self, by: Self) {
                *self = self.saturating_sub(by);
            }
        }
    )*};
}

count!(u8 u16 u32 u64 usize);

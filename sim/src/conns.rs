//! Connections by number.

use std::collections::VecDeque;

use crate::tcp::Conn;

/// All connections there are. Their numbers only grow, so each has its place in a row, which is at hand
/// at once; those that are gone leave gaps, and at the front nothing.
#[derive(Debug, Default)]
pub(crate) struct Conns {
    /// How many places there were before the row.
    gone: u64,
    row: VecDeque<Option<Box<Conn>>>,
}

impl Conns {
    /// Takes in a connection; its number, which is never 0.
    pub(crate) fn insert(&mut self, conn: Conn) -> u64 {
        self.row.push_back(Some(Box::new(conn)));
        self.gone + self.row.len() as u64
    }

    pub(crate) fn get(&self, id: u64) -> Option<&Conn> {
        self.row.get(self.place(id))?.as_deref()
    }

    pub(crate) fn get_mut(&mut self, id: u64) -> Option<&mut Conn> {
        let place = self.place(id);
        self.row.get_mut(place)?.as_deref_mut()
    }

    pub(crate) fn remove(&mut self, id: u64) -> Option<Box<Conn>> {
        let place = self.place(id);
        let conn = self.row.get_mut(place)?.take();
        while self.row.front().is_some_and(Option::is_none) {
            self.row.pop_front();
            self.gone += 1;
        }
        conn
    }

    /// The numbers of those that `which` finds something in, the oldest first, and what that is.
    pub(crate) fn find<T>(&self, which: impl Fn(&Conn) -> Option<T>) -> Vec<(u64, T)> {
        let all = (self.gone + 1..).zip(&self.row);
        all.filter_map(|(id, conn)| Some((id, which(conn.as_deref()?)?)))
            .collect()
    }

    /// What is before the row, or was never there, has a place beyond it.
    const fn place(&self, id: u64) -> usize {
        id.wrapping_sub(self.gone + 1) as usize
    }
}

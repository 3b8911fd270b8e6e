//! Small damage to bytes, as a broken program, disk or network does it.

use proptest::prelude::*;
use proptest::sample::Index;

/// One thing done to bytes.
#[derive(Debug, Clone)]
pub(crate) enum Damage {
    /// A byte becomes another one.
    Set(Index, u8),
    /// A bit is turned over.
    Flip(Index, u8),
    /// Bytes come in between.
    Insert(Index, Vec<u8>),
    /// A range goes.
    Remove(Index, Index),
    /// A range is there twice.
    Repeat(Index, Index),
    /// All from here on goes.
    Cut(Index),
}

/// Damage whose inserted bytes are mostly of the text's own `alphabet`.
pub(crate) fn damage(alphabet: &'static [&'static str]) -> impl Strategy<Value = Damage> {
    let at = || any::<Index>();
    let word = prop::sample::select(alphabet.to_vec()).prop_map(|word| word.as_bytes().to_vec());
    let noise = prop::collection::vec(any::<u8>(), 1..6);
    let inserted = prop_oneof![3 => word, 1 => noise];
    prop_oneof![
        (at(), any::<u8>()).prop_map(|(at, byte)| Damage::Set(at, byte)),
        (at(), 0_u8..8).prop_map(|(at, bit)| Damage::Flip(at, bit)),
        (at(), inserted).prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
        (at(), at()).prop_map(|(from, to)| Damage::Remove(from, to)),
        (at(), at()).prop_map(|(from, to)| Damage::Repeat(from, to)),
        at().prop_map(Damage::Cut),
    ]
}

impl Damage {
    /// Does it.
    pub(crate) fn apply(&self, bytes: &mut Vec<u8>) {
        let end = bytes.len() + 1;
        let range = |from: &Index, to: &Index| {
            let (from, to) = (from.index(end), to.index(end));
            from.min(to)..from.max(to)
        };
        match self {
            Self::Insert(at, more) => {
                let at = at.index(end);
                drop(bytes.splice(at..at, more.clone()));
            }
            Self::Remove(from, to) => drop(bytes.drain(range(from, to))),
            Self::Repeat(from, to) => {
                let range = range(from, to);
                let again = bytes[range.clone()].to_vec();
                drop(bytes.splice(range.end..range.end, again));
            }
            Self::Cut(at) => bytes.truncate(at.index(end)),
            Self::Set(..) | Self::Flip(..) if bytes.is_empty() => {}
            Self::Set(at, byte) => {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            Self::Flip(at, bit) => {
                let at = at.index(bytes.len());
                bytes[at] ^= 1 << bit;
            }
        }
    }

    /// Does all of them, one after the other.
    pub(crate) fn apply_all(damage: &[Self], bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        for one in damage {
            one.apply(&mut bytes);
        }
        bytes
    }
}

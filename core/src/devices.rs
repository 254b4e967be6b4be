//! Names of devices, by number and by name, in little more memory than their text takes: there may be millions.

use std::hash::BuildHasher;
use std::ops::Range;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

/// Names, numbered from 0 in the order in which they came.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct DeviceNames {
    text: String,
    ends: Vec<usize>,
}

impl DeviceNames {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The name `number`.
    pub fn get(&self, number: u32) -> Option<&str> {
        self.text.get(self.place(number)?)
    }

    /// Where the name `number` stands.
    #[inline]
    fn place(&self, number: u32) -> Option<Range<usize>> {
        let number = number as usize;
        let end = *self.ends.get(number)?;
        let start = if number == 0 { 0 } else { self.ends[number - 1] };
        Some(start..end)
    }

    /// Whether the name `number` is `name`.
    #[inline]
    fn is(&self, number: u32, name: &[u8]) -> bool {
        self.place(number).is_some_and(|place| self.text.as_bytes()[place] == *name)
    }

    /// Adds one, which is given the next number.
    pub fn push(&mut self, name: &str) {
        self.text.push_str(name);
        self.ends.push(self.text.len());
    }

    /// Adds those of `more`, in their order.
    pub fn append(&mut self, more: &DeviceNames) {
        let before = self.text.len();
        self.text.push_str(&more.text);
        self.ends.extend(more.ends.iter().map(|end| before + end));
    }

    /// Those from `number` on, in their order.
    pub fn from(&self, number: usize) -> impl Iterator<Item = &str> {
        (number..self.len()).filter_map(|number| self.get(number as u32))
    }

    /// Forgets all, and keeps the memory.
    pub fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
    }
}

/// Names that can be found.
#[derive(Debug, Default)]
pub struct DeviceIndex {
    names: DeviceNames,
    numbers: HashTable<u32>,
    hash: RandomState,
}

impl DeviceIndex {
    /// The number of `name`.
    #[inline]
    pub fn find(&self, name: &[u8]) -> Option<u32> {
        self.numbers.find(self.hash.hash_one(name), |number| self.names.is(*number, name)).copied()
    }

    /// Adds `name`, which is not there, and gives its number.
    pub fn add(&mut self, name: &str) -> u32 {
        let number = self.names.len() as u32;
        self.names.push(name);
        let hash_of = |number: &u32| self.hash.hash_one(self.names.get(*number).unwrap_or_default().as_bytes());
        self.numbers.insert_unique(self.hash.hash_one(name.as_bytes()), number, hash_of);
        number
    }

    /// All names.
    pub fn names(&self) -> &DeviceNames {
        &self.names
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.names.clear();
        self.numbers.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn each_name_is_found_under_its_number(
            names in prop::collection::hash_set(".{0,12}", 0..200),
            others in prop::collection::vec(".{13,14}", 0..20),
        ) {
            let mut index = DeviceIndex::default();
            let names: Vec<String> = names.into_iter().collect();
            for (n, name) in names.iter().enumerate() {
                prop_assert_eq!(index.find(name.as_bytes()), None);
                prop_assert_eq!(index.add(name), n as u32);
            }
            for (n, name) in names.iter().enumerate() {
                prop_assert_eq!(index.find(name.as_bytes()), Some(n as u32));
                prop_assert_eq!(index.names().get(n as u32), Some(name.as_str()));
            }
            prop_assert_eq!(index.names().get(names.len() as u32), None);
            for other in others {
                prop_assert_eq!(index.find(other.as_bytes()), None);
            }
        }

        #[test]
        fn names_that_are_appended_follow(
            first in prop::collection::vec(".{0,9}", 0..20),
            second in prop::collection::vec(".{0,9}", 0..20),
        ) {
            let of = |names: &[String]| {
                let mut all = DeviceNames::default();
                names.iter().for_each(|name| all.push(name));
                all
            };
            let mut all = of(&first);
            all.append(&of(&second));
            prop_assert_eq!(&all, &of(&[first.clone(), second.clone()].concat()));
            prop_assert_eq!(all.from(first.len()).map(str::to_owned).collect::<Vec<_>>(), second);
        }
    }
}

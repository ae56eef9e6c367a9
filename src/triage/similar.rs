//! The nearest of many vectors, in two steps: the signs of all of them, a bit each, then the bytes of the few whose signs are
//! nearest.
//!
//! A million codes of 256 bits are 32 MB and one pass over memory; the vectors themselves stay in the store. A graph index
//! would answer faster and needs the vectors in memory, minutes to build, and forgets nothing gracefully.

use pulp::Arch;

/// A vector of length one as the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quantised {
    /// Bit `n` is 1 when dimension `n` is above zero; least significant bit first.
    pub code: Vec<u8>,
    /// A byte a dimension: the value × 127 over the largest of the vector.
    pub vector: Vec<u8>,
}

/// Codes with the places that the store knows their vectors by.
#[derive(Debug, Default)]
pub struct Codes {
    /// 64-bit words of one code.
    words: usize,
    codes: Vec<u64>,
    places: Vec<u64>,
}

/// The signs and bytes of `vector`.
pub fn quantise(vector: &[f32]) -> Quantised {
    let mut code = vec![0u8; vector.len().div_ceil(64) * 8];
    for (place, value) in vector.iter().enumerate() {
        code[place / 8] |= u8::from(*value > 0.0) << (place % 8);
    }
    let most = vector.iter().fold(0.0f32, |most, value| most.max(value.abs())).max(f32::MIN_POSITIVE);
    let byte = |value: &f32| (value / most * 127.0).round() as i8;
    Quantised { code, vector: vector.iter().map(|value| byte(value).cast_unsigned()).collect() }
}

/// The cosine of two quantised vectors, in `-1..=1`; 0 when either is nothing or their dimensions differ.
pub fn cosine(a: &[u8], b: &[u8]) -> f64 {
    if a.len() != b.len() {
        return 0.0;
    }
    // Whole numbers: the same on every processor, however it adds them up.
    let [dot, ours, theirs] = Arch::new().dispatch(|| [product(a, b), product(a, a), product(b, b)]);
    let length = (f64::from(ours) * f64::from(theirs)).sqrt();
    if length > 0.0 { f64::from(dot) / length } else { 0.0 }
}

/// The scalar product of `query` and each row of `rows`, which stand one after the other.
pub(super) fn products(query: &[u8], rows: &[u8]) -> Vec<i32> {
    Arch::new().dispatch(|| rows.chunks_exact(query.len().max(1)).map(|row| product(query, row)).collect())
}

/// Inlined, so that it becomes what the processor at hand can do.
#[inline(always)]
pub(super) fn product(a: &[u8], b: &[u8]) -> i32 {
    a.iter().zip(b).map(|(a, b)| i32::from(a.cast_signed()) * i32::from(b.cast_signed())).sum()
}

impl Codes {
    pub fn len(&self) -> usize {
        self.places.len()
    }

    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        8 * (self.codes.capacity() + self.places.capacity())
    }

    /// Adds a code of as many bytes as the first one had; another length is left out.
    pub fn add(&mut self, place: u64, code: &[u8]) {
        let (words, rest) = code.as_chunks::<8>();
        if self.is_empty() {
            self.words = words.len();
        }
        if words.len() != self.words || !rest.is_empty() || self.words == 0 {
            return;
        }
        self.codes.extend(words.iter().map(|word| u64::from_le_bytes(*word)));
        self.places.push(place);
    }

    /// The places of about `most` codes that differ from `code` in the fewest bits; of equally far ones the newest.
    pub fn nearest(&self, code: &[u8], most: usize) -> Vec<u64> {
        let query: Vec<u64> = code.as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word)).collect();
        if query.len() != self.words || self.is_empty() {
            return Vec::new();
        }
        // How many are how far, then all up to the distance that gives enough: two passes, no heap.
        let mut far = vec![0u32; self.words * 64 + 1];
        let distances: Vec<u16> = match self.words {
            4 => self.distances::<4>(&query),
            6 => self.distances::<6>(&query),
            _ => self.codes.chunks_exact(self.words).map(|code| distance(code, &query)).collect(),
        };
        distances.iter().for_each(|distance| far[usize::from(*distance)] += 1);
        let mut total = 0;
        let limit = far.iter().position(|count| {
            total += *count as usize;
            total >= most
        });
        let limit = limit.unwrap_or(far.len()) as u16;
        let mut found: Vec<(u16, u64)> = distances
            .iter()
            .zip(&self.places)
            .filter(|(distance, _)| **distance <= limit)
            .map(|(distance, place)| (*distance, *place))
            .collect();
        found.sort_unstable_by_key(|(distance, place)| (*distance, std::cmp::Reverse(*place)));
        found.truncate(most);
        found.into_iter().map(|(_, place)| place).collect()
    }

    /// With the number of words known when compiled, so that the loop is one of its own, for what this processor can.
    fn distances<const WORDS: usize>(&self, query: &[u64]) -> Vec<u16> {
        let Ok(query): Result<[u64; WORDS], _> = query.try_into() else { return Vec::new() };
        let (codes, _) = self.codes.as_chunks::<WORDS>();
        let mut distances = vec![0; codes.len()];
        // A bit count is one instruction on all but the oldest; without the dispatch it is a dozen on every one.
        Arch::new().dispatch(|| {
            for (far, code) in distances.iter_mut().zip(codes) {
                *far = distance(code, &query);
            }
        });
        distances
    }
}

/// Inlined, so that it becomes what the processor at hand can do.
#[inline(always)]
fn distance(code: &[u64], query: &[u64]) -> u16 {
    let mut differ = 0;
    for (a, b) in code.iter().zip(query) {
        differ += (a ^ b).count_ones();
    }
    differ as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vector(seed: u32, dimensions: usize) -> Vec<f32> {
        let mut state = u64::from(seed) + 1;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((state >> 33) as f32 / (1u64 << 31) as f32) - 0.5
        };
        (0..dimensions).map(|_| next()).collect()
    }

    #[test]
    fn a_quantised_vector_is_as_near_as_the_exact_one_to_a_hundredth() {
        for seed in 0..50 {
            let (a, b) = (vector(seed, 256), vector(seed + 1000, 256));
            let exact: f64 = a.iter().zip(&b).map(|(a, b)| f64::from(a * b)).sum::<f64>()
                / (a.iter().map(|v| f64::from(v * v)).sum::<f64>() * b.iter().map(|v| f64::from(v * v)).sum::<f64>()).sqrt();
            let bytes = [quantise(&a).vector, quantise(&b).vector];
            assert!((cosine(&bytes[0], &bytes[1]) - exact).abs() < 0.01);
            assert_eq!(cosine(&bytes[0], &bytes[0]), 1.0);
        }
        assert_eq!((cosine(&[], &[]), cosine(&[1], &[1, 2]), cosine(&[0, 0], &[1, 2])), (0.0, 0.0, 0.0));
    }

    #[test]
    fn the_nearest_codes_are_those_of_the_nearest_vectors_whatever_the_dimensions() {
        for dimensions in [64, 100, 256, 384] {
            let mut codes = Codes::default();
            for seed in 0..500 {
                codes.add(u64::from(seed), &quantise(&vector(seed, dimensions)).code);
            }
            for seed in [0, 77, 499] {
                // A tenth of the vector is another's: its own code stays the nearest.
                let mut query = vector(seed, dimensions);
                query.iter_mut().zip(vector(9_999, dimensions)).take(dimensions / 10).for_each(|(value, other)| *value = other);
                assert_eq!(codes.nearest(&quantise(&query).code, 1), [u64::from(seed)], "{dimensions}");
            }
        }
    }

    #[test]
    fn equally_far_ones_are_the_newest_and_a_code_of_another_length_finds_nothing() {
        let mut codes = Codes::default();
        let code = quantise(&vector(1, 256)).code;
        (1..=9).for_each(|place| codes.add(place, &code));
        codes.add(10, &code[..8]);
        assert_eq!(codes.nearest(&code, 3), [9, 8, 7]);
        assert_eq!(codes.len(), 9);
        assert!(codes.nearest(&code[..8], 3).is_empty());
        assert!(Codes::default().nearest(&code, 3).is_empty());
    }
}

//! Rows of few non-zero features: the record type of the linear stages.
// INVARIANT: `offsets` has one more entry than rows, starts at 0, never falls; column numbers in a row rise.

use linfa::dataset::Records;
use ndarray::Array2;

/// Compressed sparse rows of `f32`.
#[derive(Debug, Clone)]
pub(super) struct SparseMatrix {
    offsets: Vec<usize>,
    indices: Vec<u32>,
    values: Vec<f32>,
    columns: usize,
}

impl SparseMatrix {
    pub(super) fn new(columns: usize) -> Self {
        Self { offsets: vec![0], indices: Vec::new(), values: Vec::new(), columns }
    }

    /// Appends a row; `entries` in rising order of column.
    pub(super) fn push(&mut self, entries: &[(u32, f32)]) {
        debug_assert!(entries.windows(2).all(|pair| pair[0].0 < pair[1].0));
        self.indices.extend(entries.iter().map(|(column, _)| *column));
        self.values.extend(entries.iter().map(|(_, value)| *value));
        self.offsets.push(self.indices.len());
    }

    pub(super) fn row(&self, row: usize) -> impl Iterator<Item = (usize, f32)> + Clone {
        let range = self.offsets[row]..self.offsets[row + 1];
        self.indices[range.clone()].iter().map(|column| *column as usize).zip(self.values[range].iter().copied())
    }

    /// The same rows with those of `dense` behind them.
    pub(super) fn beside(&self, dense: &Array2<f32>) -> Self {
        let mut out = Self::new(self.columns + dense.ncols());
        for (row, dense) in dense.rows().into_iter().enumerate() {
            let range = self.offsets[row]..self.offsets[row + 1];
            out.indices.extend_from_slice(&self.indices[range.clone()]);
            out.values.extend_from_slice(&self.values[range]);
            out.indices.extend((self.columns as u32..).take(dense.len()));
            out.values.extend(dense);
            out.offsets.push(out.indices.len());
        }
        out
    }

    /// The rows named by `rows`, in that order.
    pub(super) fn select(&self, rows: &[usize]) -> Self {
        let mut out = Self::new(self.columns);
        for row in rows {
            let range = self.offsets[*row]..self.offsets[*row + 1];
            out.indices.extend_from_slice(&self.indices[range.clone()]);
            out.values.extend_from_slice(&self.values[range]);
            out.offsets.push(out.indices.len());
        }
        out
    }
}

impl Records for SparseMatrix {
    type Elem = f32;

    fn nsamples(&self) -> usize {
        self.offsets.len() - 1
    }

    fn nfeatures(&self) -> usize {
        self.columns
    }
}

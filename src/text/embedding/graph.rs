//! The numbers inside the graph file of MiniLM: where its constants stand, so that some can be read and replaced.
//!
//! Reads just enough of ONNX (a protocol buffer): `ModelProto.graph` = 7, `GraphProto.initializer` = 5, `TensorProto.name` = 8 and
//! `.raw_data` = 9. A replaced constant has as many bytes as before, so nothing else of the file changes.

use std::{collections::BTreeMap, ops::Range};

use super::layers::{self, Layers, PARTS, SHRINK, TUNED, WIDTH};

/// Layers of the graph that `models/embedding/fetch.py` writes.
const LAYERS: usize = 6;
/// The first one that is tuned.
const FIRST: usize = LAYERS - TUNED;
const GRAPH: u64 = 7;
const INITIALIZER: u64 = 5;
const NAME: u64 = 8;
const RAW_DATA: u64 = 9;

/// The bytes of a graph with the places of its constants.
pub(super) struct Graph {
    bytes: Vec<u8>,
    constants: BTreeMap<String, Range<usize>>,
}

/// What the layers that are tuned take in, by the name it has in the graph.
pub(super) fn below() -> String {
    format!("layer{}_normed", FIRST - 1)
}

impl Graph {
    pub(super) fn read(bytes: Vec<u8>) -> Result<Self, String> {
        let mut constants = BTreeMap::new();
        for graph in fields(&bytes, 0..bytes.len(), GRAPH)? {
            for tensor in fields(&bytes, graph, INITIALIZER)? {
                let one = |number| Ok::<_, String>(fields(&bytes, tensor.clone(), number)?.pop());
                let (Some(name), Some(data)) = (one(NAME)?, one(RAW_DATA)?) else { continue };
                constants.insert(String::from_utf8_lossy(&bytes[name]).into_owned(), data);
            }
        }
        Ok(Self { bytes, constants })
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    fn constant(&self, name: &str, bytes: usize) -> Result<Range<usize>, String> {
        let place = self.constants.get(name).ok_or_else(|| format!("it has no constant `{name}`"))?;
        if place.len() != bytes {
            return Err(format!("`{name}` has {} bytes, not {bytes}", place.len()));
        }
        Ok(place.clone())
    }

    fn floats(&self, name: &str, count: usize) -> Result<Vec<f32>, String> {
        let (floats, _) = self.bytes[self.constant(name, 4 * count)?].as_chunks::<4>();
        Ok(floats.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
    }

    /// The layers that are tuned, in floats.
    pub(super) fn layers(&self) -> Result<Layers, String> {
        let mut weights = Vec::new();
        for layer in FIRST..LAYERS {
            for (part, rows, columns) in PARTS {
                let first = weights.len();
                let name = format!("layer{layer}_{part}");
                if rows == 1 {
                    weights.extend(self.floats(&name, columns)?);
                } else {
                    let scale = self.floats(&scale_of(&name), columns)?;
                    let bytes = &self.bytes[self.constant(&name, rows * columns)?];
                    let whole = bytes.iter().map(|byte| f32::from(byte.cast_signed()));
                    weights.extend(whole.zip(scale.iter().cycle()).map(|(whole, scale)| whole * scale));
                }
                stretch_queries(part, &mut weights[first..], columns, SHRINK);
            }
        }
        Layers::new(weights).ok_or_else(|| "its layers have another size".to_owned())
    }

    /// Puts `layers` in the place of the last ones, products in 8 bits with a scale a column as they were.
    pub(super) fn replace(&mut self, layers: &Layers) -> Result<(), String> {
        for layer in FIRST..LAYERS {
            for (index, (part, rows, columns)) in PARTS.into_iter().enumerate() {
                let name = format!("layer{layer}_{part}");
                let mut weights = layers.weights()[layers::place(layer - FIRST, index)].to_vec();
                stretch_queries(part, &mut weights, columns, 1.0 / SHRINK);
                if rows == 1 {
                    self.put(&name, weights.iter().flat_map(|weight| weight.to_le_bytes()).collect())?;
                    continue;
                }
                let mut scale = vec![f32::MIN_POSITIVE; columns];
                for row in weights.chunks_exact(columns) {
                    scale.iter_mut().zip(row).for_each(|(scale, weight)| *scale = scale.max(weight.abs() / 127.0));
                }
                let whole = weights.iter().zip(scale.iter().cycle()).map(|(weight, scale)| (weight / scale).round() as i8);
                self.put(&name, whole.map(i8::cast_unsigned).collect())?;
                self.put(&scale_of(&name), scale.iter().flat_map(|scale| scale.to_le_bytes()).collect())?;
            }
        }
        Ok(())
    }

    fn put(&mut self, name: &str, bytes: Vec<u8>) -> Result<(), String> {
        let place = self.constant(name, bytes.len())?;
        self.bytes[place].copy_from_slice(&bytes);
        Ok(())
    }
}

fn scale_of(product: &str) -> String {
    product.replace("_weight", "_scale")
}

/// The graph has its queries over [`SHRINK`] already; they are tuned as the other columns are.
fn stretch_queries(part: &str, weights: &mut [f32], columns: usize, factor: f32) {
    if part.starts_with("qkv") {
        weights.chunks_exact_mut(columns).for_each(|row| row[..WIDTH].iter_mut().for_each(|weight| *weight *= factor));
    }
}

/// The fields `number` of the message at `place` that have a length of their own, in order.
fn fields(bytes: &[u8], place: Range<usize>, number: u64) -> Result<Vec<Range<usize>>, String> {
    let mut found = Vec::new();
    let (mut at, end) = (place.start, place.end);
    while at < end {
        let key = varint(bytes, &mut at)?;
        let length = match key & 7 {
            0 => {
                varint(bytes, &mut at)?;
                continue;
            }
            1 => 8,
            2 => usize::try_from(varint(bytes, &mut at)?).unwrap_or(usize::MAX),
            5 => 4,
            kind => return Err(format!("byte {at} begins a field of the unknown kind {kind}")),
        };
        let stop = at.checked_add(length).filter(|stop| *stop <= end).ok_or_else(|| format!("a field at byte {at} is cut short"))?;
        if key >> 3 == number && key & 7 == 2 {
            found.push(at..stop);
        }
        at = stop;
    }
    Ok(found)
}

fn varint(bytes: &[u8], at: &mut usize) -> Result<u64, String> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.get(*at).ok_or_else(|| format!("it ends inside a number at byte {at}"))?;
        *at += 1;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(format!("the number before byte {at} is too long"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shipped() -> Vec<u8> {
        std::fs::read(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("models/embedding/minilm/model.onnx")).unwrap()
    }

    #[test]
    fn layers_that_are_taken_out_and_put_back_are_the_same_to_half_a_step_of_8_bits() {
        let mut graph = Graph::read(shipped()).unwrap();
        let layers = graph.layers().unwrap();
        graph.replace(&layers).unwrap();
        assert_eq!(graph.bytes.len(), shipped().len());
        let again = Graph::read(graph.into_bytes()).unwrap().layers().unwrap();
        for layer in 0..TUNED {
            for (index, (part, rows, _)) in PARTS.into_iter().enumerate() {
                let [before, after] = [&layers, &again].map(|layers| &layers.weights()[layers::place(layer, index)]);
                let most = before.iter().fold(0.0_f32, |most, weight| most.max(weight.abs()));
                let step = if rows == 1 { 1e-6 * most } else { most / 127.0 };
                for (before, after) in before.iter().zip(after) {
                    assert!((before - after).abs() <= 0.5001 * step, "layer {layer}, {part}: {before} {after}");
                }
            }
        }
    }

    #[test]
    fn a_file_cut_short_or_without_the_layers_is_refused_and_nothing_panics() {
        let bytes = shipped();
        for end in [1, 2, 9, 100, bytes.len() / 2, bytes.len() - 1] {
            let refused = Graph::read(bytes[..end].to_vec()).and_then(|graph| graph.layers());
            assert!(refused.is_err(), "{end} bytes");
        }
        assert!(Graph::read(vec![0xff; 40]).is_err());
        assert_eq!(Graph::read(Vec::new()).unwrap().layers().unwrap_err(), format!("it has no constant `layer{FIRST}_qkv_scale`"));
    }
}

//! What the fuzz targets share: the properties, which the ordinary tests hold the corpus against as well, and a mutator
//! that knows JSON.

#[path = "../../tests/src/hostile/mod.rs"]
pub mod hostile;
pub mod mutator;

pub use libfuzzer_sys;

/// A fuzz target: the function of [`hostile`] of this name.
#[macro_export]
macro_rules! target {
    ($kind:ident) => {
        $crate::libfuzzer_sys::fuzz_target!(|bytes: &[u8]| $crate::hostile::$kind(bytes));
        $crate::libfuzzer_sys::fuzz_mutator!(|bytes: &mut [u8], size: usize, max_size: usize, seed: u32| {
            $crate::mutator::mutate(bytes, size, max_size, seed)
        });
    };
}

// SPDX-License-Identifier: Apache-2.0

//! What fuzzing found worth keeping, in the normal test suite.

use std::path::Path;

use otapbridge_context_check::check;

#[test]
fn the_corpus_of_the_fuzz_target_passes() {
    // Cargo runs tests in their package's folder.
    let corpus = Path::new("../context/fuzz/corpus/context_block");
    let mut count = 0;
    for file in std::fs::read_dir(corpus).expect("the corpus is in the repository") {
        let path = file.expect("corpus file").path();
        println!("{}", path.display());
        check(&std::fs::read(&path).expect("corpus file"));
        count += 1;
    }
    assert!(count > 50, "only {count} files");
}

// ALiBi's slopes. Source: Press et al., arXiv:2108.12409, and transformers, modeling_bloom.py, `build_alibi_tensor`.

import Foundation

/// The slopes of ALiBi: how much a head holds distance against a key.
enum AttentionBias {
  /// One slope a head: a geometric series for powers of two; the missing ones from the series of twice as many heads.
  static func slopes(heads: Int) -> [Float] {
    var power = 1
    while 2 * power <= heads { power *= 2 }
    let first = { (count: Int) in pow(2, -8 / Double(count)) }
    return (0..<heads).map { head in
      Float(
        head < power
          ? pow(first(power), Double(head + 1)) : pow(first(2 * power), Double(2 * (head - power) + 1)))
    }
  }
}

// The rooms of libraries that later parts build on: that they are found.

import COpenBLAS
import CZlib
import Testing

@Suite("System libraries") struct SystemLibraryTests {
  @Test("zlib computes the CRC-32 check value of its specification")
  func zlib() {
    let digits = Array("123456789".utf8)
    #expect(unsafe crc32(0, digits, UInt32(digits.count)) == 0xCBF4_3926)
  }

  @Test("OpenBLAS multiplies two matrices")
  func openBLAS() {
    #expect(belle_openblas() == BELLE_OPENBLAS_READY)
    let a: [Float] = [1, 2, 3, 4]
    let b: [Float] = [5, 6, 7, 8]
    var c: [Float] = [0, 0, 0, 0]
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, 2, 2, 2, 1, a, 2, b, 2, 0, &c, 2)
    #expect(c == [19, 22, 43, 50])
  }
}

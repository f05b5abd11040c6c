import ByteIO
import Testing

@Suite("Remedies") struct RemedyTests {
  @Test("requests stand in the words as values, and are called what the reader calls them")
  func words() {
    let remedy: Remedy = "give \(.replacing), or \(2) of \("them") with \(.bits(4))"
    #expect(remedy.requests == [.replacing, .bits(4)])
    #expect(remedy.worded { $0 == .replacing ? "--force" : "<other>" } == "give --force, or 2 of them with <other>")
    #expect(!remedy.description.contains("--"))
  }

  @Test("remedies are joined, and stand in each other")
  func joined() {
    let one: Remedy = "a \(.losing)"
    #expect((one + " b").requests == [.losing])
    #expect(["x", one, "\(.memory)"].joined(separator: ", ") == "x" + ", " + one + ", " + "\(.memory)")
    #expect([Remedy]().joined(separator: ", ") == "")
    let outer: Remedy = "c; \(one)"
    #expect(outer.worded { _ in "!" } == "c; a !")
  }

  @Test("equal words are equal, however they came together")
  func equality() {
    #expect("ab" as Remedy == "a" + "b")
    #expect("a\("b")" as Remedy == "ab")
    #expect("\(.bits(2))" as Remedy != "\(.bits(3))")
    #expect("" as Remedy == "\("")")
  }
}

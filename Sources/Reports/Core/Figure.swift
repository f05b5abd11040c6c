// What pages are made of.

/// What can stand in a page.
package protocol Figure {
  /// The figure in HTML.
  var markup: Markup { get }
}

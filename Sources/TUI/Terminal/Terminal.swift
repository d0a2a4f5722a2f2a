// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// A screen and a keyboard. Used by one thread only.
protocol Terminal: AnyObject {
    /// The size now; asked again after every resize.
    var size: Size { get }
    /// Shows a canvas. Only what differs from the last one is sent.
    func present(_ canvas: Canvas)
    /// Everything typed so far, without waiting.
    func events() -> [TerminalEvent]
    /// Forgets what is on the screen, so that the next canvas is drawn whole.
    func redraw()
    /// Hands the terminal back to the shell and stops the process group; returns when it is continued.
    func suspend()
    /// Puts everything back as it was. Later calls do nothing.
    func close()
}

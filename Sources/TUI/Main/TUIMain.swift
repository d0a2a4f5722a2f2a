// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import TUI

/// `tiangong`: everything is in the library, so that tests reach it.
@main
enum TUIMain {
    static func main() async {
        ProcessProtection.forbidCoreDumps()
        await TiangongCommand.start()
    }
}

// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import NIOCore

/// Takes JSON apart while it streams by: the elements of one array are handed out one by one, and what is around them is kept
/// as a frame, in which that array is empty. Memory is bounded by the limits, however large the whole is.
struct JSONSplitter {
    /// What is around the elements; not complete when ``isFrameCut``.
    private(set) var frame = ByteBuffer()
    /// Whether the frame was over its limit.
    private(set) var isFrameCut = false
    /// Elements that were handed out, or left out since they were too large.
    private(set) var count = 0

    private let path: [[UInt8]]
    private let frameLimit: Int
    private let elementLimit: Int

    private var text = JSONTextState.outside
    private var depth = 0
    /// How many of the open objects and arrays lie on the path; one more than its names when we are in the array.
    private var onPath = 0
    private var expectsKey = false
    private var isKey = false
    private var key: [UInt8] = []
    private var element = ByteBuffer()
    private var isElement = false
    private var isElementCut = false
    /// Where the bytes begin that are not kept yet, in what is taken just now.
    private var start = 0

    /// - Parameters:
    ///   - path: The names that lead to the array, such as `hits`, `hits`.
    ///   - elementLimit: The largest element, in bytes; larger ones are counted and left out.
    ///   - frameLimit: How much of the frame is kept.
    init(_ path: [String], elementLimit: Int, frameLimit: Int = 1 << 20) {
        self.path = path.map { Array($0.utf8) }
        self.elementLimit = elementLimit
        self.frameLimit = frameLimit
    }

    /// Whether we are in the array itself, not in something in it.
    private var isInArray: Bool { onPath == path.count + 1 && depth == onPath }

    /// Takes the next bytes and gives the elements that end in them; nil stands for one that was too large.
    mutating func take(_ bytes: ByteBuffer) -> [ByteBuffer?] {
        var elements: [ByteBuffer?] = []
        bytes.withUnsafeReadableBytes { raw in
            let bytes = raw.bindMemory(to: UInt8.self)
            guard let base = bytes.baseAddress else { return }
            start = 0
            var index = 0
            while index < bytes.count {
                if text != .outside {
                    let end = text.skip(base, from: index, to: bytes.count)
                    if isKey { key.append(contentsOf: bytes[index..<min(end, index + 64)]) }
                    index = end
                    if text == .outside { isKey = false }
                    continue
                }
                if depth > onPath {
                    index = skip(base, from: index, to: bytes.count)
                    guard index < bytes.count, text == .outside else { continue }
                }
                if isInArray && !isElement || !JSONToken.isPlain(base[index]) { token(base, index, &elements) }
                index += 1
            }
            keep(base, upTo: bytes.count)
        }
        return elements
    }

    /// Goes on below the path, where nothing matters but the end: to the byte that closes it, or into a text.
    private mutating func skip(_ base: UnsafePointer<UInt8>, from index: Int, to end: Int) -> Int {
        var index = index
        while index < end {
            let byte = base[index]
            if JSONToken.isPlain(byte) {
                index += 1
                continue
            }
            switch JSONToken(byte) {
            case .quote:
                text = .inside
                return index + 1
            case .open: depth += 1
            case .close where depth == onPath + 1: return index
            case .close: depth -= 1
            default: break
            }
            index += 1
        }
        return index
    }

    private mutating func token(_ base: UnsafePointer<UInt8>, _ index: Int, _ elements: inout [ByteBuffer?]) {
        switch JSONToken(base[index]) {
        case .blank: if isInArray { finish(base, index, &elements, drops: 1) }
        case .open:
            begin(base, index)
            if leads(base[index]) { onPath += 1 }
            depth += 1
            expectsKey = base[index] == UInt8(ascii: "{")
            if isInArray { keep(base, upTo: index + 1) }
        case .close:
            if isInArray { finish(base, index, &elements, drops: 0) }
            depth = max(0, depth - 1)
            onPath = min(onPath, depth)
            expectsKey = false
            if isInArray { finish(base, index + 1, &elements, drops: 0) }
        case .comma:
            if isInArray { finish(base, index, &elements, drops: 1) }
            expectsKey = true
        case .colon: expectsKey = false
        case .quote:
            begin(base, index)
            text = .inside
            isKey = expectsKey && depth == onPath && onPath <= path.count
            if isKey { key = [] }
        case .plain: begin(base, index)
        }
    }

    /// Whether what opens here lies on the path.
    private func leads(_ byte: UInt8) -> Bool {
        guard depth == onPath, onPath <= path.count else { return false }
        // The quotation mark that ends a name is part of what was gathered of it.
        guard onPath == 0 || key.dropLast() == path[onPath - 1][...] else { return false }
        return byte == (onPath == path.count ? UInt8(ascii: "[") : UInt8(ascii: "{"))
    }

    private mutating func begin(_ base: UnsafePointer<UInt8>, _ index: Int) {
        guard isInArray, !isElement else { return }
        keep(base, upTo: index)
        isElement = true
        isElementCut = false
    }

    /// Ends an element if there is one; what stands between elements is kept nowhere.
    private mutating func finish(
        _ base: UnsafePointer<UInt8>, _ index: Int, _ elements: inout [ByteBuffer?], drops: Int
    ) {
        keep(base, upTo: index)
        start = index + drops
        guard isElement else { return }
        isElement = false
        count += 1
        elements.append(isElementCut ? nil : element)
        element = ByteBuffer()
    }

    private mutating func keep(_ base: UnsafePointer<UInt8>, upTo end: Int) {
        guard end > start else { return }
        let bytes = UnsafeRawBufferPointer(start: base + start, count: end - start)
        start = end
        if isElement {
            isElementCut = isElementCut || element.readableBytes + bytes.count > elementLimit
            if !isElementCut { element.writeBytes(bytes) }
        } else {
            let room = frameLimit - frame.readableBytes
            isFrameCut = isFrameCut || bytes.count > room
            frame.writeBytes(UnsafeRawBufferPointer(rebasing: bytes.prefix(room)))
        }
    }

    // MARK: What came

    /// The frame; nil when it was cut or is no JSON.
    var frameNode: JSONNode? {
        guard !isFrameCut else { return nil }
        return try? JSONText.parse(ArraySlice(frame.readableBytesView))
    }

    /// The elements of an array of a small text, as they were written.
    static func elements(_ path: [String], of text: ByteBuffer) -> [String] {
        var splitter = JSONSplitter(path, elementLimit: text.readableBytes + 1, frameLimit: 0)
        return splitter.take(text).map { $0.map { String(buffer: $0) } ?? "" }
    }
}

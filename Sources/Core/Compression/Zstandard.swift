// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import CZstd
public import NIOCore

/// Compresses log chunks into independent zstd frames. One instance per thread or actor; contexts are reused.
public final class ChunkCompressor {
    private let context: OpaquePointer?
    private let level: Int32

    /// - Parameter level: A zstd level; negative is faster. The default is the one measured best for log text.
    public init(level: Int32 = -1) {
        context = ZSTD_createCCtx()
        self.level = level
    }

    deinit { ZSTD_freeCCtx(context) }

    /// The stored form of some raw bytes: a frame, or the bytes themselves where that is smaller.
    public func compress(_ raw: ByteBuffer) -> (codec: LogCodec, payload: ByteBuffer) {
        let count = raw.readableBytes
        guard count >= 128, let context else { return (.identity, raw) }
        var output = ByteBufferAllocator().buffer(capacity: ZSTD_compressBound(count))
        let written = output.writeWithUnsafeMutableBytes(minimumWritableBytes: ZSTD_compressBound(count)) { target in
            raw.withUnsafeReadableBytes { source in
                let result = ZSTD_compressCCtx(
                    context, target.baseAddress, target.count, source.baseAddress, source.count, level)
                return ZSTD_isError(result) == 0 ? Int(result) : 0
            }
        }
        return written > 0 && written < count ? (.zstd, output) : (.identity, raw)
    }
}

/// Restores log chunks. One instance per thread or actor.
public final class ChunkDecompressor {
    private let context: OpaquePointer?

    /// A decompressor.
    public init() { context = ZSTD_createDCtx() }

    deinit { ZSTD_freeDCtx(context) }

    /// The raw bytes of a chunk; throws `protocol_error` when it is damaged or not of the length it claims.
    public func decompress(_ chunk: LogChunk) throws(DeployError) -> ByteBuffer {
        switch chunk.codec {
        case .identity:
            guard chunk.payload.readableBytes == chunk.rawLength else {
                throw DeployError(.protocolError, "log chunk \(chunk.seq) is not of the length it claims")
            }
            return chunk.payload
        case .zstd:
            guard let context, (1...LogChunk.maximumRawLength).contains(chunk.rawLength) else {
                throw DeployError(.protocolError, "log chunk \(chunk.seq) claims \(chunk.rawLength) bytes")
            }
            var output = ByteBufferAllocator().buffer(capacity: chunk.rawLength)
            let written = output.writeWithUnsafeMutableBytes(minimumWritableBytes: chunk.rawLength) { target in
                chunk.payload.withUnsafeReadableBytes { source in
                    let result = ZSTD_decompressDCtx(
                        context, target.baseAddress, chunk.rawLength, source.baseAddress, source.count)
                    return ZSTD_isError(result) == 0 ? Int(result) : 0
                }
            }
            guard written == chunk.rawLength else {
                throw DeployError(.protocolError, "log chunk \(chunk.seq) does not decompress")
            }
            return output
        }
    }
}

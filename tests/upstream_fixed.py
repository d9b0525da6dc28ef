"""Programs for upstream_driver.py that are written down: what random ones seldom say. One line, one thing to compare.

Owns: what is tried, by topic. Refuses to know: what should come out.
"""

from __future__ import annotations

MOCK = """
m = MockMountpointS3Client('us-east-1', B, part_size=3)
c = m.create_mocked_client()
"""

FIXED_MOCK = {
    "the mock itself": MOCK
    + """
fields(m)
fields(c)
type(m).__module__, type(m).__qualname__, type(c) is MountpointS3Client
sorted(n for n in dir(m) if not n.startswith('_'))
c2 = m.create_mocked_client()
c2 is c
m.add_object('k', b'0123456789')
read(c2.get_object(B, 'k'))
m.add_object('k', [1, 2, 255])
m.add_object('k', [1, 2, 256])
m.add_object('k', 'text')
m.add_object('k', (1, 2))
m.add_object('k', memoryview(b'xy'))
m.add_object('k', bytearray(b'z'))
m.add_object('k', None)
m.add_object('k')
m.add_object(None, b'')
read(c.get_object(B, 'k'))
m.remove_object('nothing')
m.remove_object(None)
pickle.dumps(m)
fields(pickle.loads(pickle.dumps(MockMountpointS3Client('r', 'b').create_mocked_client())))
pickle.loads(pickle.dumps(c))
m.part_size = 4
m.nothing = 4
del m.part_size
m.bucket
MockMountpointS3Client('r', 'b', endpoint='x')
MockMountpointS3Client('r', 'b', part_size=-1)
MockMountpointS3Client('r', 'b', part_size=1.0)
MockMountpointS3Client('r', 'b', part_size=2**64)
MockMountpointS3Client('r', None)
MockMountpointS3Client('r')
MockMountpointS3Client()
fields(MockMountpointS3Client('r', 'b', 1, 2, 'ua', True, True, 3))
fields(MockMountpointS3Client('r', 'b', 1, 2, 'ua', True, True, 3).create_mocked_client())
type('S', (MockMountpointS3Client,), {})
""",
    "ranges on the mock": MOCK
    + """
m.add_object('k', b'0123456789')
m.add_object('empty', b'')
read(c.get_object(B, 'k', 2))
read(c.get_object(B, 'k', None, 5))
read(c.get_object(B, 'k', None, 50))
read(c.get_object(B, 'k', 0, 0))
read(c.get_object(B, 'k', 5, 5))
read(c.get_object(B, 'k', 10, 10))
read(c.get_object(B, 'k', 10, 11))
read(c.get_object(B, 'k', 3, 100))
read(c.get_object(B, 'k', 3, 10))
read(c.get_object(B, 'k', 2**63, 2**63 + 1))
read(c.get_object(B, 'empty'))
read(c.get_object(B, 'empty', 0, 0))
read(c.get_object(B, 'empty', 0))
g = c.get_object(B, 'k')
next(g)
m.remove_object('k')
read(g)
""",
    "keys on the mock": MOCK
    + """
m.add_object('', b'empty key')
read(c.get_object(B, ''))
c.head_object(B, '')
c.delete_object(B, '')
c.head_object(B, '')
m.add_object('a/b\\n\\x00é😀', b'1')
m.add_object('a/c', b'22')
m.add_object('b/c', b'333')
m.add_object('z\\u00df', b'1')
m.add_object('x' * 3000, b'1')
pages(c.list_objects(B))
pages(c.list_objects(B, 'a', '/'))
pages(c.list_objects(B, '', '/', 1))
pages(c.list_objects(B, 'a/b\\n'))
pages(c.list_objects(B, 'z', 'ß'))
pages(c.list_objects(B, '', 'abc'))
l = c.list_objects(B, '', '', 0)
next(l), l.continuation_token, l.complete
next(l), l.continuation_token, l.complete
m.add_object('a b', b'space')
m.add_object('a%20b', b'percent')
c.copy_object(B, 'a b', B, 'd1')
read(c.get_object(B, 'd1'))
c.copy_object(B, 'a%20b', B, 'd2')
read(c.get_object(B, 'd2'))
c.copy_object(B, 'a%2520b', B, 'd3')
c.copy_object('x', 'a b', B, 'd4')
c.copy_object(B, 'a b', 'x', 'd5')
c.copy_object('x', 'a b', 'x', 'd6')
c.copy_object(B, 'a b', B, 'a b')
pages(c.list_objects(B, 'd'))
pages(ListObjectStream._from_state(c, B, '', '', 1000, 'b', False))
pages(ListObjectStream._from_state(c, B, '', '', 1000, 'nonexistent', False))
pages(ListObjectStream._from_state(c, B, '', '', 1000, '', False))
pages(ListObjectStream._from_state(c, B, '', '', 1000, None, True))
l = ListObjectStream._from_state(client=c, bucket=B, prefix='p', delimiter='d', max_keys=7, continuation_token='t', complete=True)
fields(l)
ListObjectStream._from_state(None, B, '', '', 1000, None, True)
ListObjectStream._from_state(c, B, '', '', 1000, None)
""",
    "arguments": MOCK
    + """
m.add_object('k', b'0123456789')
c.get_object(None, 'k')
c.get_object(B, None)
c.get_object(B)
c.get_object()
c.get_object(b'b', 'k')
c.get_object(B, 'k', nonsense=1)
c.get_object(B, 'k', 1, 2, 3)
c.get_object(B, 'k', '1')
c.get_object(B, 'k', 1.0, 2)
c.get_object(B, 'k', -1, 2)
c.get_object(B, 'k', 0, -2)
c.get_object(B, 'k', 2**64, 2)
read(c.get_object(B, 'k', True, 2))
read(c.get_object(B, 'k', end=2, start=1))
read(c.get_object(key='k', bucket=B))
c.put_object(B, None)
c.put_object(B, 'k', 3)
c.put_object(B, 'k', storage_class=b'x')
c.list_objects(B, max_keys=-1)
c.list_objects(B, max_keys=2**64)
c.list_objects(B, max_keys=1.5)
c.list_objects(B, max_keys=None)
c.list_objects(B, None)
c.list_objects(B, '', None)
fields(c.list_objects(B, max_keys=True))
c.head_object(B, 'a\\ud800b')
c.head_object(B)
c.delete_object(B, 3)
c.copy_object(B, 'k', B)
c.copy_object(src_bucket=B, src_key='k', dst_bucket=B, dst_key='k2')
c.copy_object(src_bucket=B, src_key='k', dst_bucket=B, nonsense='k2')
w = c.put_object(B, 'w')
w.write(bytearray(b'3'))
w.write(memoryview(b'3'))
w.write('3')
w.write(None)
w.write()
w.write(b'1', b'2')
w.write(data=b'1')
w.close()
w.close()
w.write(b'')
w.write(b'x')
read(c.get_object(B, 'w'))
join_all_managed_threads('1')
join_all_managed_threads()
""",
    "the real client's constructor": """
fields(MountpointS3Client('r'))
fields(MountpointS3Client('', 'ua\\n\\x00é', 1, 5 << 20, None, True, 'INVALID', True, 3))
fields(MountpointS3Client('r', endpoint='', throughput_target_gbps=0))
MountpointS3Client()
MountpointS3Client(None)
MountpointS3Client('r', nonsense=1)
MountpointS3Client('r', unsigned=1)
MountpointS3Client('r', unsigned=None)
MountpointS3Client('r', force_path_style='no')
MountpointS3Client('r', endpoint=3)
MountpointS3Client('r', profile=3)
MountpointS3Client('r', part_size=(5 << 20) - 1)
MountpointS3Client('r', part_size=(5 << 30) + 1)
MountpointS3Client('r', part_size=0)
MountpointS3Client('r', part_size=-1)
MountpointS3Client('r', max_attempts=-1)
MountpointS3Client('r', max_attempts=1.0)
MountpointS3Client('r', throughput_target_gbps='x')
c = MountpointS3Client('r', endpoint='INVALID', max_attempts=1)
c.head_object('bucket', 'k')
c.get_object('bucket', 'k')
c.put_object('bucket', 'k')
c.delete_object('bucket', 'k')
c.copy_object('bucket', 'k', 'bucket', 'k')
next(c.list_objects('bucket'))
fields(pickle.loads(pickle.dumps(MountpointS3Client('r', 'ua', 2.5, 6 << 20, None, True, 'http://x', True, 4))))
pickle.dumps(c, 0)
pickle.dumps(c, 1)
c == pickle.loads(pickle.dumps(c))
copy.copy(c) is c, fields(copy.deepcopy(c))
c.part_size = 3
c.nothing = 3
type('S', (MountpointS3Client,), {})
""",
    "structs": """
o = ObjectInfo('k"\\n\\x7f', 'e', 1, 2, 'STANDARD', RestoreStatus(False, 5))
o
repr(o), str(o)
repr(ObjectInfo('k', 'e', 0, -1))
repr(HeadObjectResult('e', 2**64 - 1, -2**63, None, RestoreStatus(True)))
repr(HeadObjectResult(etag='é\\u200b\\t\\'', size=1, last_modified=2, storage_class=''))
pickle.loads(pickle.dumps(o)), copy.copy(o), copy.deepcopy(o)
o == copy.copy(o), o == o, hash(o) == hash(o)
o.restore_status is o.restore_status
o.size = 3
o.nothing
ObjectInfo('k', 'e', -1, 2)
ObjectInfo('k', 'e', 2**64, 2)
ObjectInfo('k', 'e', 1, 2**63)
ObjectInfo('k', 'e', 1.0, 2)
ObjectInfo('k', 'e', 1)
ObjectInfo(1, 'e', 1, 2)
ObjectInfo('k', 'e', 1, 2, None, 'x')
RestoreStatus(1, 2)
RestoreStatus(True, -1)
RestoreStatus(True, 2**128)
RestoreStatus(True, 2**128 - 1)
RestoreStatus()
GetObjectStream()
PutObjectStream()
ListObjectStream()
ListObjectResult()
[type('S', (k,), {}) for k in (ObjectInfo,)]
[type('S', (k,), {}) for k in (GetObjectStream,)]
S3Exception('a', 1), str(S3Exception('a', 1)), str(S3Exception('a')), S3Exception().args
pickle.loads(pickle.dumps(S3Exception('a', 1)))
type('S', (S3Exception,), {})('x').args
S3Exception.__module__, S3Exception.__mro__[1].__name__, s3torchconnectorclient.S3Exception is S3Exception
sorted(client_module.__all__)
sorted(k for k in s3torchconnectorclient.__all__ if k != 'S3ClientConfig')
s3torchconnectorclient.LOG_TRACE
[k.__module__ for k in (ObjectInfo, MountpointS3Client, GetObjectStream, ListObjectResult)]
""",
}

FIXED_STORE = {
    "part boundaries": """
upload(c.put_object(B, P + 'big', None), data(7 << 20), b'', data((6 << 20) + 1, 1), b'x')
read(c.get_object(B, P + 'big'))
read(c.get_object(B, P + 'big', 100, (5 << 20) + 101))
read(c.get_object(B, P + 'big', (10 << 20) + 3))
read(c.get_object(B, P + 'big', (5 << 20), (10 << 20)))
read(c.get_object(B, P + 'big', (5 << 20) - 1, (10 << 20) + 1))
read(c.get_object(B, P + 'big', 1, 99 << 20))
read(c.get_object(B, P + 'big', (13 << 20) + 1))
read(c.get_object(B, P + 'big', (13 << 20) + 2))
c.head_object(B, P + 'big')
g = c.get_object(B, P + 'big')
next(g), g.tell()
del g
c.copy_object(B, P + 'big', B, P + 'copy')
c.head_object(B, P + 'copy')
read(c.get_object(B, P + 'copy', 7 << 20))
pages(c.list_objects(B, P))
""",
    "ranges": """
upload(c.put_object(B, P + 'k'), b'0123456789')
upload(c.put_object(B, P + 'empty'))
read(c.get_object(B, P + 'k', 9))
read(c.get_object(B, P + 'k', 10))
read(c.get_object(B, P + 'k', 10, 11))
read(c.get_object(B, P + 'k', 11, 12))
read(c.get_object(B, P + 'k', 3, 100))
read(c.get_object(B, P + 'k', 2**62, 2**62 + 5))
read(c.get_object(B, P + 'empty'))
read(c.get_object(B, P + 'empty', 0, 1))
read(c.get_object(B, P + 'empty', 0))
read(c.get_object(B, P + 'k', -1))
c.get_object(B, P + 'k', True, 0)
""",
    "nothing there": """
c.get_object(B, P + 'missing')
c.get_object('no-such-bucket', 'k')
c.head_object(B, P + 'missing')
c.head_object('no-such-bucket', 'k')
c.delete_object(B, P + 'missing')
c.delete_object('no-such-bucket', 'k')
l = c.list_objects('no-such-bucket')
next(l)
fields(l)
next(l)
pages(c.list_objects(B, P + 'missing'))
pages(c.list_objects(B, P, '/', 0))
c.put_object('no-such-bucket', 'k')
c.put_object(B, P + 'k', 'NONSENSE')
c.copy_object(B, P + 'missing', B, P + 'k')
c.copy_object('no-such-bucket', 'k', B, P + 'k')
upload(c.put_object(B, P + 'k'))
c.copy_object(B, P + 'k', 'no-such-bucket', 'k')
c.copy_object(B, P + 'k', B, P + 'k')
pages(ListObjectStream._from_state(c, B, P, '', 1000, 'nonsense', False))
""",
    "names that are none": """
c.get_object('Bad_Bucket', 'k')
c.get_object('a/b', 'k')
c.get_object(B, 'k' * 1025)
c.put_object(B, 'k' * 1025)
c.put_object(B, '../x')
c.get_object(B, P + 'x//y')
c.put_object(B, P + 'x//y')
c.get_object(B, P + 'a\\x00b')
c.head_object(B, P + 'a\\ud800b')
c.get_object('arn:aws:s3:::x', 'k')
upload(c.put_object(B, P + '/lead'), b'1')
pages(c.list_objects(B, P))
""",
    "storage classes": """
upload(c.put_object(B, P + 'std', 'STANDARD'), b'1')
upload(c.put_object(B, P + 'rrs', 'REDUCED_REDUNDANCY'), b'1')
c.head_object(B, P + 'std')
c.head_object(B, P + 'rrs')
pages(c.list_objects(B, P))
c.copy_object(B, P + 'rrs', B, P + 'copy')
c.head_object(B, P + 'copy')
""",
    "streams that are dropped": """
upload(c.put_object(B, P + 'k'), b'old')
w = c.put_object(B, P + 'k')
w.write(data(6 << 20))
del w
gc.collect() >= 0
read(c.get_object(B, P + 'k'))
w = c.put_object(B, P + 'new')
del w
c.head_object(B, P + 'new')
w = c.put_object(B, P + 'k')
c2 = pickle.loads(pickle.dumps(c))
c2.delete_object(B, P + 'k')
w.write(b'new')
w.close()
fields(w)
read(c2.get_object(B, P + 'k'))
g = c2.get_object(B, P + 'k')
del c2
read(g)
next(g, 'end'), next(g, 'end'), g.tell()
pickle.dumps(g)
pickle.dumps(w)
""",
}

package Portal::Mail;

# Reads the mails that a stack has sent: .eml files, headers and parts decoded.

use strict;
use warnings;

use Encode ();
use MIME::Base64 ();
use MIME::QuotedPrint ();

use Portal::Place qw(slurp);


# all mails so far, oldest first: { file, to, from, subject, text, html, link,
# id, headers => { name => text } }
sub all {
    my ($class, $dir) = @_;

    my @files = map { [$_, (stat)[9] // 0] } glob "$dir/*.eml";

    return map { $class->read($_->[0]) }
        sort { $a->[1] <=> $b->[1] || $a->[0] cmp $b->[0] } @files;
}


sub read {
    my ($class, $file) = @_;

    my $raw = slurp($file) // return;
    my ($headers, $body) = _split($raw);
    my %mail = (file => $file, raw => $raw, headers => $headers);

    for my $part (_parts($headers, $body)) {
        my ($h, $text) = @$part;
        my $type = lc($h->{'content-type'} // 'text/plain');
        my $as = $type =~ m{^text/html} ? 'html'
            : $type =~ m{^text/plain} ? 'text' : next;
        $mail{$as} //= _text($h, $text);
    }

    $mail{$_} = _words($headers->{$_} // '') for qw(to from subject);
    $mail{id} = $headers->{'message-id'};
    ($mail{link}) = ($mail{text} // '') =~ m{(https?://\S+jeton=\S+)};

    return bless \%mail, $class;
}


sub _split {
    my ($raw) = @_;

    my ($head, $body) = split /\r?\n\r?\n/, $raw, 2;
    my %headers;

    $head =~ s/\r?\n[ \t]+/ /g;
    for (split /\r?\n/, $head) {
        $headers{lc $1} //= $2 if /^([^:\s]+):\s*(.*?)\s*$/;
    }

    return (\%headers, $body // '');
}


sub _parts {
    my ($headers, $body) = @_;

    my ($boundary) = ($headers->{'content-type'} // '')
        =~ m{^multipart/.*boundary="?([^";]+)}i
        or return [$headers, $body];

    my @parts = split /^--\Q$boundary\E(?:--)?\s*?\r?\n?/m, $body;
    shift @parts;

    return map { _parts(_split($_)) } grep { /\S/ } @parts;
}


sub _text {
    my ($headers, $text) = @_;

    my $coding = lc($headers->{'content-transfer-encoding'} // '');

    $text = MIME::QuotedPrint::decode_qp($text)
        if $coding eq 'quoted-printable';
    $text = MIME::Base64::decode_base64($text) if $coding eq 'base64';
    $text =~ s/\r\n/\n/g;

    return Encode::decode('UTF-8', $text);
}

sub _words {
    my ($text) = @_;

    return Encode::decode('MIME-Header', $text);
}


1;
